import { addClaim, dropClaim } from '../../register.ts'
import type { Claim } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { findIn, note } from '../history.ts'

/**
 * Takes up or gives up a claim, and lists those who lose the name by it.
 * @param entity where the claimants of a name are found; numbers are nobody's loss
 */
export function reclaim(
  draft: Draft,
  key: string,
  claim: Claim,
  wants: boolean,
  entity?: 'user' | 'project',
): void {
  const before = draft.get('claims', key) ?? []
  const held = before.some(({ id }) => id === claim.id)
  if (held !== wants) {
    const after = wants ? addClaim(before, claim) : dropClaim(before, claim.id)
    if (after.length > 0) draft.put('claims', key, after)
    else draft.delete('claims', key)
  }
  if (!entity) return
  if (!wants) list(draft, entity, claim.id, null)
  const [holder, ...losers] = draft.get('claims', key) ?? []
  if (holder) list(draft, entity, holder.id, null)
  for (const { id } of losers) list(draft, entity, id, holder?.id ?? null)
}

function list(draft: Draft, what: 'user' | 'project', id: string, beatenBy: string | null): void {
  const entity = `${what}:${id}`
  const op = findIn(draft, entity, id)
  if (op) note(draft, op, beatenBy === null ? null : { outcome: 'lost', entity, reason: 'name', beatenBy })
}
