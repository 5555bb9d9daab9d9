import type { Call } from '../history.ts'
import { isCertain, latest, possible } from './certainty.ts'
import type { Checker, Violation } from './check.ts'

/** A manifest that somebody deleted, or whose project somebody did, may be gone. */
export function mayBeDeleted(calls: readonly Call[], of: Call, before: number): boolean {
  const { repository, digest, project } = of.op
  return calls.some(
    (call) =>
      possible(call) &&
      call.start < before &&
      ((call.op.kind === 'manifest.delete' &&
        call.op.repository === repository &&
        call.op.digest === digest) ||
        (call.op.kind === 'project.delete' && call.op.project === project)),
  )
}

/** Said so, or broke off midway, as it must where the bytes come from a member that went away meanwhile. */
export function isNotNow({ status, outcome }: Call): boolean {
  return status === 503 || (status === undefined && outcome === 'unknown')
}

/** "Not now" to somebody who comes again is no answer: the one it got in the end is. */
function cameAgain(calls: readonly Call[], pull: Call): boolean {
  const { op, client, node } = pull
  if (!isNotNow(pull)) return false
  return calls.some(
    (call) =>
      call.id > pull.id &&
      call.client === client &&
      call.node === node &&
      call.op.kind === op.kind &&
      call.op.digest === op.digest &&
      call.op.repository === op.repository,
  )
}

/** I1: a push that was acknowledged can be pulled at that node after any crash, and in the end everywhere. */
export const acknowledgedPushes: Checker = (calls) => {
  const violations: Violation[] = []
  const pulls = calls.filter(
    ({ op, outcome, phase }) =>
      (op.kind === 'read.manifest' || op.kind === 'read.blob') &&
      op.actor === 'admin' &&
      (phase === 'final' ? outcome !== 'ok' : outcome === 'fail'),
  )
  for (const push of calls) {
    if (push.op.kind !== 'push' || push.outcome !== 'ok') continue
    for (const pull of pulls) {
      const same =
        pull.op.repository === push.op.repository &&
        (pull.op.kind === 'read.blob' ? pull.op.blob === push.op.blob : pull.op.digest === push.op.digest)
      if (!same || pull.start < push.end) continue
      const lost = pull.phase === 'final' || (pull.node === push.node && pull.status === 404)
      if (cameAgain(calls, pull)) continue
      if (!lost || mayBeDeleted(calls, push, pull.end) || !isCertain(calls, push.op.actor, pull.end)) continue
      violations.push({
        promise: 'I1 an acknowledged push is there',
        what: `${push.op.repository}@${push.op.digest} was acknowledged at ${push.node}; ${pull.op.kind} at ${pull.node} gave ${pull.status ?? pull.error}`,
        calls: [push.id, pull.id],
      })
    }
  }
  return violations
}

/** I1 for records of people: who was made or let in, and never put out, is on every list in the end. */
export const acknowledgedRecords: Checker = (calls) => {
  const lists = calls.filter(({ phase, names }) => phase === 'final' && names !== undefined)
  return calls.flatMap((made) => {
    const { kind, user, project, actor } = made.op
    if (made.outcome !== 'ok' || (kind !== 'user.create' && kind !== 'member.grant')) return []
    if (!isCertain(calls, actor, Number.POSITIVE_INFINITY)) return []
    const undone = calls.some((call) => possible(call) && undoes(call, made))
    const wanted = kind === 'user.create' ? 'list.users' : 'list.members'
    const without = lists.filter(
      ({ op, names }) =>
        op.kind === wanted &&
        (kind === 'user.create' || op.project === project) &&
        !names?.includes(user ?? ''),
    )
    if (undone) return []
    return without.map((list) => ({
      promise: 'I1 an acknowledged record is there',
      what: `${kind} of ${user} ${project ?? ''} was acknowledged at ${made.node}, and ${list.node} does not list it`,
      calls: [made.id, list.id],
    }))
  })
}

function undoes(call: Call, made: Call): boolean {
  const { kind, user, project } = call.op
  if (kind === 'user.delete') return user === made.op.user
  if (made.op.kind === 'user.create') return false
  if (kind === 'project.delete') return project === made.op.project
  if (kind !== 'member.revoke' || user !== made.op.user || project !== made.op.project) return false
  // The grant had seen a revocation that was over at its own node; any other may be concurrent, and wins.
  return !(call.node === made.node && latest(call) < made.start)
}
