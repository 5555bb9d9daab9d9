import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD_HASHES_WAITING_MAX } from '../../src/access/limits.ts'
import { LoginThrottle } from '../../src/access/login-throttle.ts'
import { Logins } from '../../src/access/logins.ts'
import { Passwords } from '../../src/access/passwords.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { type Client, founded, serve, type TestNode } from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

/** Hashing a password is work anybody may ask for; the work that is taken on at once has an end. */
const sites = new Sites(new HandClock())
let node: TestNode
let client: Client
beforeAll(async () => {
  node = await founded(sites)
  client = await serve(sites, node)
})
afterAll(() => sites.close())

test('sec-32: a flood of log-ins is told to come back, and everybody else is served meanwhile', async () => {
  const flood = Array.from({ length: 400 }, (_, n) =>
    client.send('GET', '/api/v2.0/users/current', { as: `nobody${n}`, password: 'Wrong-1-wrong' }),
  )
  let flooding = true
  const flooded = Promise.all(flood).finally(() => {
    flooding = false
  })
  const others = await Promise.all(
    Array.from({ length: 20 }, () => client.send('GET', '/api/v2.0/projects').then(({ status }) => status)),
  )
  // Nobody who did not log in waited for the hashes of those who did.
  expect(flooding).toBe(true)
  expect(new Set(others)).toEqual(new Set([200]))
  const answers = await flooded
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]))
  const refused = answers.filter(({ status }) => status === 429)
  expect(refused.every(({ headers }) => Number(headers['retry-after']) >= 1)).toBe(true)
})

test('sec-32: ten thousand log-ins at once take on no more than the queue holds', async () => {
  const passwords = new Passwords({ random: systemRandom })
  const throttle = new LoginThrottle({ clock: systemClock })
  const { tables } = node.site
  const logins = new Logins({ tables, passwords, throttle, clock: systemClock, random: systemRandom })
  const all = Array.from({ length: 10_000 }, (_, n) =>
    logins.check({ name: `n${n}`, password: 'x' }, `10.0.0.${n % 250}`),
  )
  const results = await Promise.allSettled(all)
  const taken = results.filter(({ status }) => status === 'fulfilled').length
  expect(taken).toBeLessThanOrEqual(PASSWORD_HASHES_WAITING_MAX + 2)
  expect(taken).toBeGreaterThan(0)
})
