import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPassword, generatePassword } from '../../../src/access/password-policy.ts'
import { Passwords } from '../../../src/access/passwords.ts'
import { systemRandom } from '../../../src/runtime/random.ts'

describe('the policy', () => {
  test.each(['Abcdefg1', `Aa1${'x'.repeat(125)}`, 'ÄÖÜ aA1 ñ'])('takes %j', (password) => {
    expect(() => checkPassword(password)).not.toThrow()
  })

  test.each(['', 'Abcdef1', 'abcdefg1', 'ABCDEFG1', 'Abcdefgh', `Aa1${'x'.repeat(126)}`])(
    'refuses %j without repeating it',
    (password) => {
      expect(() => checkPassword(password)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
      if (password !== '') expect(() => checkPassword(password)).not.toThrow(password)
    },
  )

  test('takes every generated password, and no two are alike', () => {
    const made = Array.from({ length: 500 }, () => generatePassword(systemRandom))
    for (const password of made) checkPassword(password)
    expect(new Set(made).size).toBe(made.length)
  })

  test('takes generated ones whatever chance gives', () => {
    const anything = fc.infiniteStream(fc.nat())
    fc.assert(
      fc.property(anything, (stream) => {
        const integer = (below: number) => Number(stream.next().value) % below
        checkPassword(generatePassword({ integer, bytes: () => new Uint8Array() }))
      }),
      { seed: 11 },
    )
  })
})

describe('hashing', () => {
  test('a password belongs to its hash and to no other', async () => {
    const passwords = new Passwords({ random: systemRandom })
    const hash = await passwords.hash('Correct-horse-1')
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await passwords.hash('Correct-horse-1')).not.toBe(hash)
    expect(await passwords.verify(hash, 'Correct-horse-1')).toBe(true)
    expect(await passwords.verify(hash, 'Correct-horse-2')).toBe(false)
    expect(await passwords.verify(undefined, 'Correct-horse-1')).toBe(false)
  })

  test('a user there is not costs what one there is does', async () => {
    const passwords = new Passwords({ random: systemRandom })
    const hash = await passwords.hash('Correct-horse-1')
    const once = async (stored: string | undefined) => {
      const start = performance.now()
      await passwords.verify(stored, 'Wrong-horse-1')
      return performance.now() - start
    }
    // In turns, so that whatever else the machine does falls on both; the least of many is the cost itself.
    let real = Number.POSITIVE_INFINITY
    let none = Number.POSITIVE_INFINITY
    for (let n = 0; n < 20; n++) {
      real = Math.min(real, await once(hash))
      none = Math.min(none, await once(undefined))
    }
    expect(none / real).toBeGreaterThan(0.5)
    expect(none / real).toBeLessThan(2)
  })

  test('so many at once, so many wait, and the next is told to come back', async () => {
    const passwords = new Passwords({ random: systemRandom, concurrent: 1, waiting: 2 })
    const all = Array.from({ length: 5 }, () => passwords.hash('Correct-horse-1'))
    const results = await Promise.allSettled(all)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    for (const one of results) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    }
    await expect(passwords.hash('Correct-horse-1')).resolves.toBeDefined()
  })

  test('whoever stops waiting leaves the queue to others', async () => {
    const passwords = new Passwords({ random: systemRandom, concurrent: 1, waiting: 1 })
    const first = passwords.hash('Correct-horse-1')
    const gone = new AbortController()
    const second = passwords.hash('Correct-horse-1', gone.signal)
    gone.abort(new Error('left'))
    await expect(second).rejects.toThrow('left')
    await expect(passwords.hash('Correct-horse-1')).resolves.toBeDefined()
    await first
  })
})
