import type { Call, Kind } from '../history.ts'

/** The administrator nobody takes anything from while a schedule's calls are judged. */
export const SEED_ADMIN = 'admin'

/** Whether it was done, or may have been, or may still be. */
export function possible(call: Call): boolean {
  return call.outcome !== 'fail'
}

/** When it was done at the latest: what has no certain outcome may be done at any later time. */
export function latest(call: Call): number {
  return call.outcome === 'unknown' ? Number.POSITIVE_INFINITY : call.end
}

const TAKING: ReadonlySet<Kind> = new Set(['member.revoke', 'member.role', 'user.delete'])

/**
 * Whether nobody took any right from that user before `at`: what somebody did while their right was being taken
 * away at another site may be undone by the merge, by rule.
 */
export function isCertain(calls: readonly Call[], actor: string, at: number): boolean {
  if (actor === SEED_ADMIN) return true
  return !calls.some(
    ({ op, start, outcome }) =>
      outcome !== 'fail' &&
      op.user === actor &&
      start < at &&
      (TAKING.has(op.kind) || (op.kind === 'admin.set' && op.admin === false)),
  )
}
