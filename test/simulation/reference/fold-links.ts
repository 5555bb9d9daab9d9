import { type Formed, is } from './formed.ts'
import { register, write } from './registers.ts'
import type { ReferenceTables } from './tables.ts'
import { listIn } from './world.ts'

/** Field by field, what no later word had seen. */
export function foldLinks(ops: readonly Formed[], tables: ReferenceTables): void {
  const policies = new Map<string, Formed<'link.policy-set'>[]>()
  for (const op of ops) if (is(op, 'link.policy-set')) listIn(policies, op.body.link, op)
  for (const [link, said] of policies) {
    const field = <T>(valueOf: (op: Formed<'link.policy-set'>) => T | undefined) =>
      register(
        said.flatMap((op) => {
          const value = valueOf(op)
          return value === undefined ? [] : [write(op, value)]
        }),
      )
    tables.put('linkPolicies', link, {
      link,
      rate: field((op) => op.body.rate),
      hours: field((op) => op.body.hours),
      budget: field((op) => op.body.budget),
      forbidden: field((op) => op.body.forbidden),
    })
  }
}
