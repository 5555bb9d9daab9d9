import { claimKey } from '../../names.ts'
import { addClaim, claimingOp, dropClaim } from '../../register.ts'
import type { Claim, HistoryOp } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { findIn, note } from '../history.ts'

/** The op something has its name by: the last that gave it one, else the one that made it. */
export function namingOp(
  created: HistoryOp,
  living: readonly HistoryOp[],
  kind: 'user.renamed' | 'project.renamed',
): HistoryOp {
  return living.findLast((op) => op.kind === kind) ?? created
}

/** What a user or project goes by, and the ops it has it by. */
export interface Named {
  readonly id: string
  readonly name: string
  readonly number: number
}

/**
 * Takes up the claims of a row, or gives them up; those of the row as it was before, too.
 * @param naming see `namingOp`; undefined where the row counts no more
 */
export function reclaimNames(
  draft: Draft,
  what: 'user' | 'project',
  before: Named | undefined,
  after: Named & { readonly deleted: boolean },
  ops: { readonly created: HistoryOp; readonly naming: HistoryOp } | undefined,
): void {
  const { id } = after
  const key = claimKey(`${what}-name`, after.name)
  const was = before && claimKey(`${what}-name`, before.name)
  if (was !== undefined && was !== key) reclaim(draft, was, { id, depth: 0 }, false, what)
  const wants = ops !== undefined && !after.deleted
  const { id: op = id, depth = 0 } = ops?.naming ?? {}
  reclaim(draft, key, { id, depth, ...(op !== id && { op }) }, wants, what)
  reclaim(draft, claimKey(`${what}-number`, after.number), { id, depth: ops?.created.depth ?? 0 }, wants)
}

/**
 * Takes up or gives up a claim, and lists those who lose the name by it.
 * @param entity where the claimants of a name are found; numbers are nobody's loss
 */
function reclaim(draft: Draft, key: string, claim: Claim, wants: boolean, entity?: 'user' | 'project'): void {
  const before = draft.get('claims', key) ?? []
  const held = before.find(({ id }) => id === claim.id)
  const stands = held !== undefined && claimingOp(held) === claimingOp(claim)
  if (wants ? !stands : held) {
    const after = wants ? addClaim(before, claim) : dropClaim(before, claim.id)
    if (after.length > 0) draft.put('claims', key, after)
    else draft.delete('claims', key)
  }
  if (!entity) return
  // An op that gives up its name, or has none any more, lost it to nobody.
  if (held && !(wants && stands)) list(draft, entity, held, null)
  if (!wants) list(draft, entity, claim, null)
  const [holder, ...losers] = draft.get('claims', key) ?? []
  if (holder) list(draft, entity, holder, null)
  for (const loser of losers) list(draft, entity, loser, holder?.id ?? null)
}

function list(draft: Draft, what: 'user' | 'project', claim: Claim, beatenBy: string | null): void {
  const entity = `${what}:${claim.id}`
  const op = findIn(draft, entity, claimingOp(claim))
  if (op) note(draft, op, beatenBy === null ? null : { outcome: 'lost', entity, reason: 'name', beatenBy })
}
