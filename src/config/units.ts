import { z } from 'zod'

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const
const BYTES = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const

/** Seconds, from `90`, `90s`, `30m`, `12h` or `7d`; between `min` and `max`. */
export function duration(min: number, max: number) {
  const expected = `a duration such as 90s, 30m or 12h, from ${formatSeconds(min)} to ${formatSeconds(max)}`
  return quantity(SECONDS, 's', expected).refine((n) => n >= min && n <= max, `must be ${expected}`)
}

/** Bytes, from `1048576`, `64MiB` or `2GB`. */
export function size() {
  return quantity(BYTES, 'B', 'a size such as 512MiB or 2GB')
}

function quantity(units: Readonly<Record<string, number>>, plain: string, expected: string) {
  return z.union([z.string(), z.number()], `must be ${expected}`).transform((raw, context) => {
    const match = /^(\d{1,15})\s*([A-Za-z]*)$/.exec(String(raw).trim())
    const factor = units[match?.[2] || plain]
    if (match === null || factor === undefined) {
      context.addIssue({ code: 'custom', message: `must be ${expected}` })
      return z.NEVER
    }
    return Number(match[1]) * factor
  })
}

/** The largest unit that divides it: 1800 is `30m`. */
export function formatSeconds(seconds: number): string {
  const fitting = Object.entries(SECONDS).findLast(([, factor]) => seconds % factor === 0)
  return seconds === 0 || fitting === undefined ? `${seconds}s` : `${seconds / fitting[1]}${fitting[0]}`
}
