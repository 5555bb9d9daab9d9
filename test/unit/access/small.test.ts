import { generateKeyPairSync } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseAuthorization } from '../../../src/access/authorization-header.ts'
import { layFoundations } from '../../../src/access/foundations.ts'
import { CatchingUp, knowledgeOf } from '../../../src/access/knowledge.ts'
import { checkPassword } from '../../../src/access/password-policy.ts'
import { parseScopes } from '../../../src/access/scopes.ts'
import { openTokenKey } from '../../../src/access/token-key.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { ADMIN_PASSWORD, assemble, basic, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'

const sites = new Sites(new HandClock())
afterAll(() => sites.close())

describe('an Authorization header', () => {
  test.each([
    [undefined, { scheme: 'none' }],
    ['', { scheme: 'none' }],
    [basic('bob', 'pass:word ñ'), { scheme: 'basic', name: 'bob', password: 'pass:word ñ' }],
    [basic('bob', '').replace('Basic', 'bASIC'), { scheme: 'basic', name: 'bob', password: '' }],
    ['Bearer a.b.c', { scheme: 'bearer', token: 'a.b.c' }],
    [basic('', 'x'), { scheme: 'unreadable' }],
    ['Basic', { scheme: 'unreadable' }],
    ['Basic ', { scheme: 'unreadable' }],
    ['Basic Ym9i', { scheme: 'unreadable' }],
    ['Basic %%%', { scheme: 'unreadable' }],
    [`Basic ${Buffer.from([0xff, 0x3a, 0x41]).toString('base64')}`, { scheme: 'unreadable' }],
    ['Negotiate abc', { scheme: 'unreadable' }],
  ])('%j is read as %j', (header, expected) => {
    expect(parseAuthorization(header)).toEqual(expected)
  })
})

describe('scopes', () => {
  test('come repeated or with spaces between, and what is none is left out', () => {
    const texts = [
      'repository:a/b:pull  repository:c/d:pull,push',
      'registry:catalog:*',
      'x',
      ':a:b',
      'repository:a',
    ]
    expect(parseScopes(texts)).toEqual([
      { type: 'repository', name: 'a/b' },
      { type: 'repository', name: 'c/d' },
      { type: 'registry', name: 'catalog' },
    ])
  })

  test('are no more than a header holds', () => {
    const many = Array.from({ length: 33 }, (_, n) => `repository:a/b${n}:pull`)
    expect(() => parseScopes(many)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    expect(parseScopes(many.slice(1))).toHaveLength(32)
  })
})

describe('the token key', () => {
  test('is made once, kept for its owner alone, and read again', async () => {
    const path = join(await sites.directory(), 'token.key')
    const made = await openTokenKey(path)
    expect(made.publicKey).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).toContain('PRIVATE KEY')
    await chmod(path, 0o660)
    expect((await openTokenKey(path)).publicKey).toBe(made.publicKey)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('is Ed25519 and nothing else, and never replaced when it cannot be read', async () => {
    const path = join(await sites.directory(), 'token.key')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    for (const text of ['', 'nonsense', rsa.export({ format: 'pem', type: 'pkcs8' }) as string]) {
      await writeFile(path, text)
      await expect(openTokenKey(path)).rejects.toMatchObject({ code: 'TOKEN_KEY_UNREADABLE' })
      expect(await readFile(path, 'utf8')).toBe(text)
    }
  })
})

describe('foundations', () => {
  test('are an administrator with a password of their own and a public project, both number 1', async () => {
    const first = assemble(await sites.found(), sites)
    const admin = await layFoundations({ ...first, random: systemRandom }, { adminPassword: null })
    checkPassword(admin.password)
    expect(await first.logins.check({ name: 'admin', password: admin.password })).toMatchObject({ number: 1 })
    expect(first.accounts.byName('admin')).toMatchObject({ admin: true })
    expect(first.projects.find('library')).toMatchObject({ number: 1, public: true })
    const second = assemble(await sites.found(), sites)
    const other = await layFoundations({ ...second, random: systemRandom }, { adminPassword: null })
    expect(other.password).not.toBe(admin.password)
  })

  test('are laid once, and not on a weak password', async () => {
    const node = assemble(await sites.found(), sites)
    const lay = (adminPassword: string) =>
      layFoundations({ ...node, random: systemRandom }, { adminPassword })
    await expect(lay('weak')).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    expect(await lay(ADMIN_PASSWORD)).toEqual({ username: 'admin', password: ADMIN_PASSWORD })
    await expect(lay(ADMIN_PASSWORD)).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})

describe('what another node knew', () => {
  test('is told by the ends of node ids, of rights alone', () => {
    const frontier = {
      'authority@aaaaaaaaaaaaaaaaaaaa11111111': 7,
      'catalog/system@aaaaaaaaaaaaaaaaaaaa11111111': 9,
    }
    expect(knowledgeOf(frontier)).toEqual({ '11111111': 7 })
  })

  test('is waited for until it comes, and not for ever', async () => {
    const here = assemble(await sites.found(), sites)
    const far = await sites.admit(here.site)
    const waiting = new CatchingUp({ journal: far, timers: systemTimers, ms: 50 })
    expect(await waiting.until(knowledgeOf(here.site.frontier()))).toBe(false)
    await user(here, 'late')
    const knowledge = knowledgeOf(here.site.frontier())
    expect(waiting.behind(knowledge)).toBe(true)
    expect(await waiting.until(knowledge)).toBe(false)
    const patient = new CatchingUp({ journal: far, timers: systemTimers, ms: 10_000 })
    const caughtUp = patient.until(knowledge)
    await far.learn(here.site)
    expect(await caughtUp).toBe(true)
  })
})
