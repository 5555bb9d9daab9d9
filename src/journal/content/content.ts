import type { Body, KindName } from '../kinds.ts'
import { familyOf, type Op, parseFeedId } from '../op.ts'
import type { Refused } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { catalogRules } from './catalog.ts'
import { mayWrite } from './membership.ts'
import { subjectOf } from './subject.ts'
import { trailRules } from './trail.ts'
import { verdictRules } from './verdicts.ts'

/** One kind's rule: it reads and changes rows of the draft and nothing else, and concurrent ops may come in any order. */
export type Rule<K extends KindName> = (draft: Draft, op: Op, body: Body<K>) => void
export type Rules<K extends KindName> = { readonly [Name in K]: Rule<Name> }

const rules = { ...catalogRules, ...verdictRules, ...trailRules }

/**
 * Takes in one op of a lane other than the authority's, whose kind, lane and schema are right.
 * @returns why it does not count; null where it does
 */
export function applyContent(draft: Draft, op: Op): Refused | null {
  const refused = mayWrite(draft, op)
  if (refused) {
    const { id, kind, actor, author, time, dot } = op
    const family = familyOf(parseFeedId(dot.feed).lane)
    const row = { kind, actor, author, time, outcome: 'refused', entity: subjectOf(op), ...refused } as const
    draft.put('ineffective', `${family}/${id}`, row)
    return refused
  }
  const rule = rules[op.kind as keyof typeof rules] as Rule<KindName> | undefined
  rule?.(draft, op, op.body as Body<KindName>)
  return null
}
