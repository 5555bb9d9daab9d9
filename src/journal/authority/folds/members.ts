import { hasSeen } from '../../op.ts'
import { assign, erase } from '../../register.ts'
import type { HistoryOp, MemberRow, RoleId } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import type { Lost } from './fold.ts'

const PROJECT_ADMIN: RoleId = 1

/** A membership: a grant counts when it had seen every revocation; so removal wins over what did not know of it. */
export function foldMember(draft: Draft, id: string, ops: readonly HistoryOp[]): Lost {
  const [projectId = '', userId = ''] = id.split('/')
  const lost: Lost = new Map()
  const revocations = ops.filter(({ kind }) => kind === 'member.revoked')
  let grants: MemberRow['grants'] = []
  for (const op of ops) {
    const granted = grantOf(op)
    if (!granted) {
      grants = erase(grants, op)
      continue
    }
    const unseen = revocations.filter(({ dot }) => !hasSeen(op, dot))
    // What the revoker had seen is simply over; what it had not is somebody's loss.
    const beaten = unseen.filter((one) => !hasSeen(one, op.dot)).map((one) => one.id)
    if (unseen.length === 0) grants = assign(grants, op, granted)
    else if (beaten.length > 0) lost.set(op.id, { reason: 'revoked', beatenBy: beaten.sort()[0] as string })
  }
  const dots = revocations
    .filter((one) => !revocations.some((later) => later !== one && hasSeen(later, one.dot)))
    .map(({ dot }) => dot)
    .sort(byDot)
  const byUser = `${userId}/${projectId}`
  if (grants.length + dots.length > 0) {
    draft.put('members', id, { projectId, userId, grants, revocations: dots })
  } else if (draft.get('members', id)) draft.delete('members', id)
  if (grants.length > 0) draft.put('memberships', byUser, { projectId })
  else if (draft.get('memberships', byUser)) draft.delete('memberships', byUser)
  return lost
}

function grantOf(op: HistoryOp): { role: RoleId; number: number } | undefined {
  const created = bodyOf(op, 'project.created')
  if (created) return { role: PROJECT_ADMIN, number: created.ownerMember }
  const granted = bodyOf(op, 'member.granted')
  return granted && { role: granted.role, number: granted.number }
}

function byDot(a: MemberRow['revocations'][number], b: MemberRow['revocations'][number]): number {
  if (a.feed !== b.feed) return a.feed < b.feed ? -1 : 1
  return a.seq - b.seq || a.index - b.index
}
