import type { Entry, Op } from '../../../src/journal/op.ts'
import { foldContent } from './fold-content.ts'
import { foldLinks } from './fold-links.ts'
import { foldInvites, foldKeysAndSnapshots, foldNodes } from './fold-nodes.ts'
import { Claims, foldUsers } from './fold-people.ts'
import { foldMembers, foldProjects, foldQuotas } from './fold-projects.ts'
import { entityOf, type Formed, ineffectiveRow } from './formed.ts'
import { opsOf } from './past.ts'
import { decideRevocations } from './stages.ts'
import { ReferenceTables } from './tables.ts'
import { isContent, Verdicts } from './verdicts.ts'
import { worldOf } from './world.ts'

export interface ReferenceState {
  /** By table and key; none for a table without rows. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, unknown>>
  /** The rows as every reader of tables asks for them. */
  readonly read: Pick<ReferenceTables, 'get'>
  readonly ineffective: ReadonlyMap<string, unknown>
  readonly stateHash: string
}

/**
 * What a set of entries means, by docs/decisions/0007, worked out from nothing: slow, plain, and written
 * apart from the product's own reducer. In whatever order entries came to a node, it must come to this.
 * @param isCompacted whether a snapshot stands for the op, which is not taken apart any more
 */
export function referenceState(
  entries: readonly Entry[],
  isCompacted: (op: Op) => boolean = () => false,
): ReferenceState {
  const world = worldOf(opsOf(entries))
  const decided = decideRevocations(world)
  const verdicts = new Verdicts(world, (revocation) => decided.get(revocation.id) === null, isCompacted)
  const tables = new ReferenceTables()
  for (const [op, row] of world.outOfForm) tables.ineffective(op, row)

  const authority: Formed[] = []
  const content: Formed[] = []
  for (const op of world.ops) {
    const ofContent = isContent(op)
    const revoked = decided.get(op.id)
    const refusal =
      revoked !== undefined ? revoked : ofContent ? verdicts.contentRefusal(op) : verdicts.refusal(op)
    if (refusal === null) (ofContent ? content : authority).push(op)
    // Of what a node says of itself only the last is of interest, and nothing is listed.
    else if (op.kind !== 'node.announced') {
      const { reason, beatenBy } = refusal
      tables.ineffective(op, ineffectiveRow(op, 'refused', reason, entityOf(op), beatenBy))
    }
  }

  const claims = new Claims()
  foldNodes(authority, world, verdicts, tables)
  foldInvites(authority, world, tables)
  foldUsers(authority, tables, claims)
  foldProjects(authority, tables, claims)
  claims.settle(tables)
  foldMembers(authority, tables)
  foldQuotas(authority, tables)
  foldLinks(authority, tables)
  foldKeysAndSnapshots(authority, tables)
  // Last, for rules on tags are the projects'.
  foldContent(content, tables)
  return {
    tables: tables.rows,
    read: tables,
    ineffective: tables.rows.get('ineffective') ?? new Map(),
    stateHash: tables.stateHash(),
  }
}
