import { familyOf, type Lane } from '../../../src/journal/op.ts'

/** Whether it is a month of trail that ended more than so many whole months ago. */
export function isExpired(lane: Lane, nowMs: number, months: number): boolean {
  if (familyOf(lane) !== 'trail') return false
  const now = new Date(nowMs)
  const oldest = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1))
  return (lane.split('/')[2] as string) < oldest.toISOString().slice(0, 7)
}
