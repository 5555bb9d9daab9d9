import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LoginThrottle, sourceOf } from '../../../src/access/login-throttle.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { founded, PASSWORD, type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'

const clock = new HandClock()
const sites = new Sites(clock)
let node: TestNode
beforeAll(async () => {
  node = await founded(sites)
})
afterAll(() => sites.close())

const tooMany = expect.objectContaining({ code: 'TOO_MANY_REQUESTS' })

describe('throttling', () => {
  test('five wrong passwords are free, then the wait doubles up to a minute', () => {
    const throttle = new LoginThrottle({ clock })
    for (let n = 0; n < 6; n++) throttle.attempt('bob', '10.0.0.1')
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect(() => throttle.attempt('bob', '10.0.0.1')).toThrow(
        expect.objectContaining({ facts: { retryAfterSeconds: seconds } }),
      )
      clock.advance(seconds * 1000)
      throttle.attempt('bob', '10.0.0.1')
    }
  })

  test('it is the pair that waits: another source, another name and any case of it are looked at apart', () => {
    const throttle = new LoginThrottle({ clock })
    for (let n = 0; n < 6; n++) throttle.attempt('bob', '10.0.0.1')
    expect(() => throttle.attempt('BOB', '10.0.0.1')).toThrow(tooMany)
    expect(() => throttle.attempt('bob', '10.0.0.2')).not.toThrow()
    expect(() => throttle.attempt('eve', '10.0.0.1')).not.toThrow()
  })

  test('a right password, or a quarter of an hour of quiet, wipes the slate', () => {
    const throttle = new LoginThrottle({ clock })
    for (let n = 0; n < 5; n++) throttle.attempt('bob', '10.0.0.1')
    throttle.succeeded('bob', '10.0.0.1')
    for (let n = 0; n < 6; n++) throttle.attempt('bob', '10.0.0.1')
    clock.advance(15 * 60_000 + 1)
    for (let n = 0; n < 6; n++) throttle.attempt('bob', '10.0.0.1')
    expect(() => throttle.attempt('bob', '10.0.0.1')).toThrow(tooMany)
  })

  test('what it keeps in mind is bounded', () => {
    const throttle = new LoginThrottle({ clock, sourcesMax: 10 })
    for (let n = 0; n < 6; n++) throttle.attempt('bob', '10.0.0.1')
    for (let n = 0; n < 10; n++) throttle.attempt(`user${n}`, '10.0.0.1')
    expect(() => throttle.attempt('bob', '10.0.0.1')).not.toThrow()
  })

  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0DB8:1:2::9', '2001:db8:1:2'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    [undefined, 'unknown'],
  ])('the source of %s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source)
  })
})

describe('a log-in', () => {
  test('is the account’s for its own password, and nobody’s for any other', async () => {
    const alice = await user(node, 'alice')
    expect(await node.logins.check({ name: 'alice', password: PASSWORD })).toMatchObject({ id: alice.id })
    expect(await node.logins.check({ name: 'ALICE', password: PASSWORD })).toMatchObject({ id: alice.id })
    expect(await node.logins.check({ name: 'alice', password: 'Wrong-1-wrong' })).toBeUndefined()
    expect(await node.logins.check({ name: 'nobody', password: PASSWORD })).toBeUndefined()
    expect(await node.logins.check({ name: '', password: '' })).toBeUndefined()
  })

  test('that is remembered ends with the password, at once', async () => {
    const bob = await user(node, 'bob')
    const old = { name: 'bob', password: PASSWORD }
    await node.logins.check(old)
    await node.accounts.setPassword(bob.id, `${PASSWORD}-new`, NODE_ITSELF)
    expect(await node.logins.check(old)).toBeUndefined()
    expect(await node.logins.check({ ...old, password: `${PASSWORD}-new` })).toBeDefined()
  })

  test('that is remembered ends with the account', async () => {
    const carol = await user(node, 'carol')
    const credentials = { name: 'carol', password: PASSWORD }
    await node.logins.check(credentials)
    await node.accounts.delete(carol.id, NODE_ITSELF)
    expect(await node.logins.check(credentials)).toBeUndefined()
  })

  test('made by forty connections at once is one, and locks nobody out', async () => {
    await user(node, 'dora')
    const credentials = { name: 'dora', password: PASSWORD }
    const all = await Promise.all(
      Array.from({ length: 40 }, () => node.logins.check(credentials, '10.9.9.9')),
    )
    expect(all.every((row) => row?.name === 'dora')).toBe(true)
  })

  test('guessed a hundred times at once is stopped after a few, and a remembered one goes on', async () => {
    await user(node, 'erin')
    const right = { name: 'erin', password: PASSWORD }
    await node.logins.check(right, '10.8.8.8')
    const guesses = Array.from({ length: 100 }, (_, n) =>
      node.logins.check({ name: 'erin', password: `Guess-${n}` }, '10.8.8.8'),
    )
    const results = await Promise.allSettled(guesses)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(6)
    expect(await node.logins.check(right, '10.8.8.8')).toBeDefined()
  })

  test('as somebody there is not is throttled just the same', async () => {
    const guesses = Array.from({ length: 7 }, (_, n) =>
      node.logins.check({ name: 'ghost', password: `Guess-${n}` }, '10.7.7.7'),
    )
    const results = await Promise.allSettled(guesses)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  })
})
