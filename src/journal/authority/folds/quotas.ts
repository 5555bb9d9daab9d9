import { byDepthThenId, hasSeen } from '../../op.ts'
import type { HistoryOp } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import type { Lost } from './fold.ts'

/**
 * A hard limit as an escrow (Balegas et al., 2015, bounded counters): each node may spend what it was given, and
 * what it gives it cannot spend, so no two sites together go over.
 */
export function foldQuota(draft: Draft, projectId: string, ops: readonly HistoryOp[]): Lost {
  const lost: Lost = new Map()
  const set = lowest(ops)
  const body = set && bodyOf(set, 'quota.set')
  if (!set || !body) {
    if (draft.get('quotas', projectId)) draft.delete('quotas', projectId)
    for (const { id } of ops) lost.set(id, { reason: 'quota', beatenBy: null })
    return lost
  }
  const rights = new Map([[set.author, body.limit]])
  for (const op of ops) {
    const moved = bodyOf(op, 'quota.moved')
    if (!moved || hasSeen(set, op.dot)) continue
    const own = rights.get(op.author) ?? 0
    if (!hasSeen(op, set.dot) || own < moved.bytes) {
      lost.set(op.id, { reason: 'quota', beatenBy: null })
      continue
    }
    rights.set(op.author, own - moved.bytes)
    rights.set(moved.to, (rights.get(moved.to) ?? 0) + moved.bytes)
  }
  const sorted = [...rights].sort(([a], [b]) => (a < b ? -1 : 1))
  draft.put('quotas', projectId, {
    projectId,
    limit: body.limit,
    set: set.id,
    rights: Object.fromEntries(sorted),
  })
  return lost
}

/** Of the limits no later one had seen, the lowest; of equal ones the least id. */
function lowest(ops: readonly HistoryOp[]): HistoryOp | undefined {
  const sets = ops.filter(({ kind }) => kind === 'quota.set')
  const living = sets.filter((op) => !sets.some((later) => later !== op && hasSeen(later, op.dot)))
  const limit = (op: HistoryOp) => bodyOf(op, 'quota.set')?.limit ?? 0
  return living.sort((a, b) => limit(a) - limit(b) || byDepthThenId(a, b))[0]
}
