/**
 * Weekly windows, as people write them: `22:00-06:00`, `mon-fri 22:00-06:00, sat 00:00-24:00 UTC+01:00`.
 * Without days every day is meant; a window that ends no later than it begins ends on the next day; without an offset
 * it is UTC. An offset is fixed: no node needs to know when summer time begins.
 */
export interface Hours {
  /** Minutes of the week from Monday 00:00; `to` may lie in the next week. */
  readonly windows: readonly { readonly from: number; readonly to: number }[]
  /** Minutes ahead of UTC. */
  readonly offset: number
}

const MINUTE = 60_000
const DAY = 24 * 60
const WEEK = 7 * DAY
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
/** One of each day and a few more: nobody reads a longer list. */
const WINDOWS_MAX = 16
const TEXT_MAX = 400
const WINDOW =
  /^(?:(mon|tue|wed|thu|fri|sat|sun)(?:-(mon|tue|wed|thu|fri|sat|sun))? )?(\d{2}):(\d{2})-(\d{2}):(\d{2})$/
const OFFSET = /^(.*\d{2}:\d{2}) UTC(?:([+-])(\d{2}):(\d{2}))?$/
/** 1970 began on a Thursday. */
const EPOCH_MINUTE = DAYS.indexOf('thu') * DAY

/** Undefined where the text says no windows. */
export function parseHours(text: string): Hours | undefined {
  if (text.length > TEXT_MAX) return undefined
  const [, named = text, sign, hours = '0', minutes = '0'] = OFFSET.exec(text) ?? []
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  const parts = named.split(', ')
  if (parts.length > WINDOWS_MAX || Math.abs(offset) > 14 * 60 || Number(minutes) > 59) return undefined
  const windows: { from: number; to: number }[] = []
  for (const part of parts) {
    const found = windowsOf(part)
    if (!found) return undefined
    windows.push(...found)
  }
  return { windows, offset }
}

function windowsOf(text: string): { from: number; to: number }[] | undefined {
  const [whole, first, last = first, ...times] = WINDOW.exec(text) ?? []
  if (whole === undefined) return undefined
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = times.map(Number)
  const from = fromHour * 60 + fromMinute
  const to = toHour * 60 + toMinute
  if (fromMinute > 59 || toMinute > 59 || from >= DAY || to > DAY) return undefined
  const length = to > from ? to - from : to - from + DAY
  return daysOf(first, last).map((day) => ({ from: day * DAY + from, to: day * DAY + from + length }))
}

/** `fri-mon` goes over the end of the week. */
function daysOf(first: string | undefined, last: string | undefined): number[] {
  if (first === undefined || last === undefined) return DAYS.map((_, day) => day)
  const from = DAYS.indexOf(first)
  const count = ((DAYS.indexOf(last) - from + 7) % 7) + 1
  return Array.from({ length: count }, (_, index) => (from + index) % 7)
}

/** @param now milliseconds since 1970 */
export function isWithin(hours: Hours, now: number): boolean {
  const minute = minuteOf(hours, now)
  return hours.windows.some(({ from, to }) => mod(minute - from) < to - from)
}

/** Milliseconds since 1970 at which a window begins next, as seen from outside all of them. */
export function nextOpening(hours: Hours, now: number): number {
  const minute = minuteOf(hours, now)
  const waits = hours.windows.map(({ from }) => mod(from - minute))
  return (Math.floor(now / MINUTE) + Math.min(...waits)) * MINUTE
}

function minuteOf({ offset }: Hours, now: number): number {
  return mod(Math.floor(now / MINUTE) + EPOCH_MINUTE + offset)
}

function mod(minutes: number): number {
  return ((minutes % WEEK) + WEEK) % WEEK
}
