import type { Call } from '../history.ts'
import { isCertain, latest, possible } from './certainty.ts'
import type { Checker } from './check.ts'

/**
 * I4: once a right has been taken away at a node, that node does not serve it again, and in the end none does,
 * unless somebody may have given it again meanwhile. A grant that was over before the revocation began is
 * either older or concurrent, and loses both ways.
 */
export const revocations: Checker = (calls) =>
  calls.filter(revokes).flatMap((revocation) => {
    const regrants = calls.filter(
      (call) => possible(call) && gives(call, revocation) && latest(call) > revocation.start,
    )
    const served = calls.filter(
      (call) =>
        call.outcome === 'ok' &&
        call.start > revocation.end &&
        (call.phase === 'final' || call.node === revocation.node) &&
        uses(call, revocation) &&
        isCertain(calls, revocation.op.actor, call.end) &&
        !regrants.some((grant) => grant.start < call.end),
    )
    const { kind, user, project } = revocation.op
    return served.map((call) => ({
      promise: 'I4 a right that was taken away is gone',
      what: `${kind} of ${user} ${project ?? ''} was acknowledged at ${revocation.node}; ${call.node} served ${call.op.kind} ${Math.round(call.start - revocation.end)} ms later`,
      calls: [revocation.id, call.id],
    }))
  })

function revokes({ op, outcome }: Call): boolean {
  if (outcome !== 'ok') return false
  const taken = op.kind === 'admin.set' && op.admin === false
  return taken || op.kind === 'member.revoke' || op.kind === 'user.delete'
}

function gives({ op }: Call, { op: taken }: Call): boolean {
  if (op.user !== taken.user) return false
  const raised = op.kind === 'admin.set' && op.admin === true
  switch (taken.kind) {
    case 'member.revoke':
      return (
        raised || ((op.kind === 'member.grant' || op.kind === 'member.role') && op.project === taken.project)
      )
    case 'admin.set':
      return raised
    default:
      return false
  }
}

function uses({ op }: Call, { op: taken }: Call): boolean {
  if (op.actor !== taken.user) return false
  switch (taken.kind) {
    case 'member.revoke':
      return op.project === taken.project
    case 'admin.set':
      return op.kind === 'read.admin'
    default:
      return true
  }
}
