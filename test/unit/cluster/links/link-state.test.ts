import { describe, expect, it } from 'vitest'
import {
  classOf,
  closedFault,
  forecast,
  monthOf,
  nextMonth,
  stateOf,
} from '../../../../cluster/links/link-state.ts'
import { NO_POLICY } from '../../../../src/journal/link-policy.ts'

const NOON = Date.UTC(2026, 10, 20, 12)
const policy = (said: Partial<typeof NO_POLICY>) => ({ ...NO_POLICY, ...said })
const classes = (said: Partial<typeof NO_POLICY>, used = 0, now = NOON) => {
  const state = stateOf(policy(said), used, now)
  return { waiting: classOf(policy(said), state, 'pull'), bulk: classOf(policy(said), state, 'bulk') }
}

describe('a link between sites', () => {
  it('is long where nothing is said of it, and metered where it has a budget', () => {
    expect(classes({})).toEqual({ waiting: 'long', bulk: 'long' })
    expect(classes({ rate: 20_000 })).toEqual({ waiting: 'long', bulk: 'long' })
    expect(classes({ budget: 10 })).toEqual({ waiting: 'metered', bulk: 'metered' })
  })

  it('is closed for everything once forbidden, or its budget is spent', () => {
    expect(classes({ forbidden: true })).toEqual({ waiting: 'closed', bulk: 'closed' })
    expect(classes({ budget: 10 }, 9)).toEqual({ waiting: 'metered', bulk: 'metered' })
    expect(classes({ budget: 10 }, 10)).toEqual({ waiting: 'closed', bulk: 'closed' })
  })

  it('is closed for bulk alone outside its hours', () => {
    const hours = '22:00-06:00'
    expect(classes({ hours })).toEqual({ waiting: 'long', bulk: 'closed' })
    expect(classes({ hours }, 0, Date.UTC(2026, 10, 20, 23))).toEqual({ waiting: 'long', bulk: 'long' })
    expect(stateOf(policy({ hours }), 0, NOON).opensAt).toBe(Date.UTC(2026, 10, 20, 22))
  })

  it('is never closed for what the records are made from', () => {
    for (const said of [{ forbidden: true }, { budget: 1 }, { hours: '22:00-06:00' }]) {
      expect(classOf(policy(said), stateOf(policy(said), 1, NOON), 'records')).not.toBe('closed')
    }
  })

  it('opens with the month where its budget was spent, and never by itself where it is forbidden', () => {
    expect(stateOf(policy({ budget: 1 }), 1, NOON)).toEqual({
      closed: 'budget',
      opensAt: Date.UTC(2026, 11, 1),
    })
    expect(stateOf(policy({ budget: 1, forbidden: true }), 1, NOON).opensAt).toBeNull()
    expect(new Date(nextMonth(Date.UTC(2026, 11, 31, 23, 59))).toISOString()).toBe('2027-01-01T00:00:00.000Z')
    expect(monthOf(Date.UTC(2026, 0, 1) - 1)).toBe('2025-12')
  })

  it('tells what the month comes to, once some of it has passed', () => {
    expect(forecast(100, Date.UTC(2026, 10, 16))).toBe(200)
    expect(forecast(100, Date.UTC(2026, 10, 1, 1))).toBeNull()
  })

  it('says why it is closed, until when, and what an administrator can do', () => {
    const spent = policy({ budget: 50 })
    expect(closedFault('hq/shop-7', spent, stateOf(spent, 50, NOON))).toMatchObject({
      code: 'LINK_CLOSED',
      message:
        'the link between hq and shop-7 has used up its 50 bytes of this month and opens again at ' +
        '2026-12-01T00:00:00.000Z; an administrator can give it more: flotilla links set hq shop-7 --budget SIZE',
    })
    const shut = policy({ forbidden: true })
    expect(closedFault('hq/shop-7', shut, stateOf(shut, 0, NOON)).message).toContain(
      'flotilla links set hq shop-7 --allow',
    )
  })
})
