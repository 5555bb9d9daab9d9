import { monthOfLane, type Op, parseFeedId } from '../op.ts'
import { inRepository } from '../rows.ts'

const TIME_DIGITS = 16

/** The month of a trail lane's op. */
export function monthOf({ dot }: Pick<Op, 'dot'>): string {
  return monthOfLane(parseFeedId(dot.feed).lane) ?? ''
}

/** Sorts by month and time. */
export function eventKey(op: Pick<Op, 'id' | 'dot' | 'time'>): string {
  return inRepository(monthOf(op), String(op.time).padStart(TIME_DIGITS, '0'), op.id)
}
