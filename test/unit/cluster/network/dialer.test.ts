import { expect, test } from 'vitest'
import { DIALS_CONCURRENT_MAX, REDIAL_MS_MAX, REDIAL_MS_MIN } from '../../../../cluster/limits.ts'
import type { Member } from '../../../../cluster/membership/roster.ts'
import { type Attempts, MemberDialer, planDials, redialMs } from '../../../../cluster/network/dialer.ts'
import { ListRoster, runtime } from './cast.ts'

const member = (id: string): Member => ({
  id,
  name: id,
  site: 'here',
  state: 'member',
  role: 'anchor',
  notAfter: null,
  sealKey: null,
  admittedBy: null,
  addresses: [],
  swarm: [],
  url: null,
})
const waits = (dueAtMs: number): Attempts => ({ failures: 1, dueAtMs, dialling: false })
const dialling: Attempts = { failures: 0, dueAtMs: 0, dialling: true }

test('who was never dialled is due, who failed waits for its time, who is being dialled is left alone', () => {
  const attempts = new Map([
    ['late', waits(50)],
    ['early', waits(140)],
    ['now', dialling],
  ])
  const plan = planDials(['new', 'late', 'early', 'now'].map(member), attempts, 100)
  expect(plan.due.map(({ id }) => id)).toEqual(['new', 'late'])
  expect(plan.nextMs).toBe(40)
})

test('no more dials run at once than the limit allows', () => {
  const busy = new Map<string, Attempts>()
  for (let n = 0; n < DIALS_CONCURRENT_MAX - 1; n++) busy.set(`busy${n}`, dialling)
  const plan = planDials([member('a'), member('b')], busy, 0)
  expect(plan.due.map(({ id }) => id)).toEqual(['a'])
})

test('waits grow with failures up to the bound, and differ by chance', () => {
  const low = { ...runtime.random, integer: () => 0 }
  const high = { ...runtime.random, integer: (below: number) => below - 1 }
  expect(redialMs(0, low)).toBe(REDIAL_MS_MIN / 2)
  expect(redialMs(3, low)).toBe(REDIAL_MS_MIN * 4)
  expect(redialMs(1_000_000, low)).toBe(REDIAL_MS_MAX / 2)
  expect(redialMs(1_000_000, high)).toBeLessThanOrEqual(REDIAL_MS_MAX)
  expect(redialMs(2, high)).toBeGreaterThan(redialMs(2, low))
})

test('a member that appears is dialled at once, one that stays silent is dialled again, one that is up is not', async () => {
  const roster = new ListRoster()
  const dials: string[] = []
  const up = new Set<string>()
  const target = {
    self: 'me',
    isUp: (peer: string) => up.has(peer),
    dial: async ({ id }: Member) => {
      dials.push(id)
      if (id === 'answers') up.add(id)
    },
  }
  const { clock, random, timers, log } = runtime
  const dialer = new MemberDialer(target, roster, clock, random, timers, log)
  roster.put('me')
  await dialer.start()
  roster.put('answers')
  roster.put('silent')
  roster.put('gone', { state: 'evicted' })
  expect(dials).toEqual(['answers', 'silent'])
  await expect.poll(() => dials.filter((id) => id === 'silent').length, { timeout: 3_000 }).toBeGreaterThan(2)
  expect(dials.filter((id) => id === 'answers')).toHaveLength(1)
  expect(dials).not.toContain('gone')
  expect(dials).not.toContain('me')
  await dialer.stop()
})

test('stopping abandons a dial under way and begins no other', async () => {
  const roster = new ListRoster()
  let dials = 0
  const target = {
    self: 'me',
    isUp: () => false,
    dial: (_: Member, signal: AbortSignal) => {
      dials++
      return new Promise<void>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    },
  }
  const { clock, random, timers, log } = runtime
  const dialer = new MemberDialer(target, roster, clock, random, timers, log)
  roster.put('slow')
  await dialer.start()
  await dialer.stop()
  roster.put('another')
  expect(dials).toBe(1)
})
