import { applyAuthority, noteFormless } from './authority/authority.ts'
import { isWellFormed } from './authority/form.ts'
import { applyContent } from './content/content.ts'
import { isKind, kinds } from './kinds.ts'
import { type Frontier, familyOf, type LaneFamily, type Op, parseFeedId } from './op.ts'
import type { Reason, Refused } from './rows.ts'
import type { Draft } from './table-store.ts'

/**
 * Applies one op to the tables. Ops arrive in causal order; two that did not know of each other may come in either
 * order and leave the same rows. An op that may not take effect is listed with its reason, never lost.
 * docs/decisions/0007 says what the rows are a function of.
 * @param known the authority feeds as they stand here before the op
 * @returns why it does not count; null where it does
 */
export function reduce(draft: Draft, op: Op, known: Frontier): Refused | null {
  const family = familyOf(parseFeedId(op.dot.feed).lane)
  if (!isKind(op.kind) || op.version !== kinds[op.kind].version) return list(draft, family, op, 'unknown')
  const kind = kinds[op.kind]
  const body = kind.family === family ? kind.body.safeParse(op.body) : undefined
  if (!body?.success) return list(draft, family, op, 'form')
  const checked: Op = { ...op, body: body.data }
  if (family !== 'authority') return applyContent(draft, checked)
  if (isWellFormed(draft, checked)) return applyAuthority(draft, checked, known)
  noteFormless(draft, checked)
  return { reason: 'form', beatenBy: null }
}

function list(draft: Draft, family: LaneFamily, op: Op, reason: Reason): Refused {
  const { kind, actor, author, time } = op
  const why = { outcome: 'refused', entity: null, reason, beatenBy: null } as const
  draft.put('ineffective', `${family}/${op.id}`, { kind, actor, author, time, ...why })
  return { reason, beatenBy: null }
}
