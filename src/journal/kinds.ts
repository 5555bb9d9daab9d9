import { z } from 'zod'
import { Fault } from '../errors.ts'
import { catalogKinds } from './kinds/catalog.ts'
import { linkKinds } from './kinds/links.ts'
import { nodeKinds } from './kinds/nodes.ts'
import { peopleKinds } from './kinds/people.ts'
import { projectKinds } from './kinds/projects.ts'
import { trailKinds } from './kinds/trail.ts'
import { verdictKinds } from './kinds/verdicts.ts'

export { projectName } from './kinds/fields.ts'
export { linkFields } from './kinds/links.ts'
export { nodeFactsSchema, nodeRole } from './kinds/nodes.ts'
export { userName } from './kinds/people.ts'

/**
 * Every kind of record there is. One schema serves as the type, the check at the door and the check at
 * ingest. A kind or version that is not here is kept and relayed, and changes no table.
 */
export const kinds = {
  ...nodeKinds,
  ...peopleKinds,
  ...projectKinds,
  ...linkKinds,
  ...catalogKinds,
  ...verdictKinds,
  ...trailKinds,
} as const

export type KindName = keyof typeof kinds
export type Body<K extends KindName> = z.infer<(typeof kinds)[K]['body']>

export function isKind(kind: string): kind is KindName {
  return Object.hasOwn(kinds, kind)
}

/**
 * An op ready to be committed.
 * @throws Fault OP_INVALID when the body is not what the kind's schema asks for
 */
export function op<K extends KindName>(
  kind: K,
  body: Body<K>,
  actor: string,
): { kind: K; body: Body<K>; actor: string } {
  const checked = kinds[kind].body.safeParse(body)
  if (!checked.success) {
    throw new Fault('OP_INVALID', `${kind}: ${z.prettifyError(checked.error)}`, { kind }, checked.error)
  }
  return { kind, body: checked.data as Body<K>, actor }
}
