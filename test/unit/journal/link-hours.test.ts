import { describe, expect, it } from 'vitest'
import { isWithin, nextOpening, parseHours } from '../../../src/journal/link-hours.ts'

const hours = (text: string) => {
  const parsed = parseHours(text)
  if (!parsed) throw new Error(`no hours: ${text}`)
  return parsed
}
/** 2026-11-30 was a Monday. */
const at = (text: string) => Date.parse(`${text}Z`)
const isOpen = (text: string, time: string) => isWithin(hours(text), at(time))
const opens = (text: string, time: string) => new Date(nextOpening(hours(text), at(time))).toISOString()

describe('hours of a link', () => {
  it('without days are those of every day, and may go over midnight', () => {
    expect(isOpen('22:00-06:00', '2026-11-30T21:59:59')).toBe(false)
    expect(isOpen('22:00-06:00', '2026-11-30T22:00:00')).toBe(true)
    expect(isOpen('22:00-06:00', '2026-12-01T05:59:59')).toBe(true)
    expect(isOpen('22:00-06:00', '2026-12-01T06:00:00')).toBe(false)
  })

  it('begin on the days they name: Friday night goes on into Saturday, Saturday night does not begin', () => {
    const text = 'mon-fri 22:00-06:00'
    expect(isOpen(text, '2026-12-05T03:00:00')).toBe(true)
    expect(isOpen(text, '2026-12-05T23:00:00')).toBe(false)
    expect(opens(text, '2026-12-05T06:00:00')).toBe('2026-12-07T22:00:00.000Z')
  })

  it('go over the end of the week', () => {
    expect(isOpen('sun 20:00-04:00', '2026-11-30T03:00:00')).toBe(true)
    expect(isOpen('sun 20:00-04:00', '2026-11-30T04:00:00')).toBe(false)
    expect(isOpen('sat-mon 00:00-24:00', '2026-12-01T00:00:00')).toBe(false)
    expect(isOpen('sat-mon 00:00-24:00', '2026-11-30T23:59:00')).toBe(true)
  })

  it('are several, and of an offset when they name one', () => {
    const text = 'mon-fri 22:00-06:00, sat-sun 00:00-24:00 UTC+01:00'
    expect(isOpen(text, '2026-11-30T21:00:00')).toBe(true)
    expect(isOpen(text, '2026-11-30T20:59:00')).toBe(false)
    expect(opens(text, '2026-11-30T12:00:30')).toBe('2026-11-30T21:00:00.000Z')
    expect(isOpen('22:00-06:00 UTC-05:00', '2026-11-30T03:00:00')).toBe(true)
    expect(isOpen('22:00-06:00 UTC', '2026-11-30T22:00:00')).toBe(true)
  })

  it.each([
    '',
    'night',
    '22-06',
    '24:00-06:00',
    '22:00-24:01',
    '22:60-06:00',
    'mo 22:00-06:00',
    'mon-fri22:00-06:00',
    '22:00-06:00 UTC+15:00',
    '22:00-06:00 CET',
    Array(17).fill('22:00-06:00').join(', '),
  ])('%j are none', (text) => {
    expect(parseHours(text)).toBeUndefined()
  })
})
