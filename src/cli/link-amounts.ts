import { size } from '../config/units.ts'
import { Fault } from '../errors.ts'

const BITS = { kbit: 1e3, Mbit: 1e6, Gbit: 1e9 } as const

/** Bytes a second, from `2MB/s`, `20Mbit/s` or `500KiB/s`. @throws Fault USAGE */
export function parseRate(text: string): number {
  const [, amount, unit] = /^(\d{1,9}(?:\.\d{1,3})?)\s*(kbit|Mbit|Gbit)\/s$/.exec(text) ?? []
  if (amount !== undefined) return Math.round((Number(amount) * BITS[unit as keyof typeof BITS]) / 8)
  return bytesOf(text.replace(/\/s$/, ''), 'a rate such as 2MB/s or 20Mbit/s')
}

/** Bytes, from `50GB`. @throws Fault USAGE */
export function parseBudget(text: string): number {
  return bytesOf(text, 'a size such as 50GB')
}

function bytesOf(text: string, expected: string): number {
  const parsed = size().safeParse(text)
  if (parsed.success) return parsed.data
  throw new Fault('USAGE', `${text} is not ${expected}`)
}
