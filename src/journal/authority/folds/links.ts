import { assign } from '../../register.ts'
import type { HistoryOp, LinkPolicyRow } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import { noteFields } from './fields.ts'
import { type Lost, NOTHING_LOST } from './fold.ts'

/** A link between sites: each field keeps what sites said unaware of each other. */
export function foldLink(draft: Draft, link: string, ops: readonly HistoryOp[]): Lost {
  const start: LinkPolicyRow = { link, rate: [], hours: [], budget: [], forbidden: [] }
  const row = ops.length > 0 ? ops.reduce<LinkPolicyRow>(change, start) : undefined
  if (row) draft.put('linkPolicies', link, row)
  else if (draft.get('linkPolicies', link)) draft.delete('linkPolicies', link)
  noteFields(draft, `link:${link}`, row)
  return NOTHING_LOST
}

function change(row: LinkPolicyRow, op: HistoryOp): LinkPolicyRow {
  const { rate, hours, budget, forbidden } = bodyOf(op, 'link.policy-set') ?? {}
  return {
    ...row,
    ...(rate !== undefined && { rate: assign(row.rate, op, rate) }),
    ...(hours !== undefined && { hours: assign(row.hours, op, hours) }),
    ...(budget !== undefined && { budget: assign(row.budget, op, budget) }),
    ...(forbidden !== undefined && { forbidden: assign(row.forbidden, op, forbidden) }),
  }
}
