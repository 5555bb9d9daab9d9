import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_PASSWORD,
  type Client,
  founded,
  PASSWORD,
  serve,
  type TestNode,
  user,
} from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

/** CVE-2019-16097 and its family: a field nobody asked for makes its sender an administrator. */
const sites = new Sites(new HandClock())
let node: TestNode
let client: Client
const boss = { as: 'admin', password: ADMIN_PASSWORD }
beforeAll(async () => {
  node = await founded(sites)
  client = await serve(sites, node)
  await user(node, 'mallory')
})
afterAll(() => sites.close())

const API = '/api/v2.0'
const PRIVILEGED: readonly [string, unknown][] = [
  ['has_admin_role', true],
  ['sysadmin_flag', true],
  ['admin_role_in_auth', true],
  ['role_id', 1],
  ['user_id', 1],
  ['number', 1],
  ['admin', true],
  ['passwordHash', '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA'],
  ['epoch', 99],
  ['deleted', true],
  ['owner_id', 1],
  ['owner', 'admin'],
  ['id', 'AAAAAAAAAAAAAAAAAAAAAA'],
  ['__proto__', { sysadmin_flag: true }],
  ['constructor', { prototype: { admin: true } }],
]
const me = () => node.accounts.byName('mallory') as { number: number; id: string }

interface Case {
  readonly method: string
  readonly url: () => string
  readonly body: Readonly<Record<string, unknown>>
  readonly takes?: readonly string[]
}
/** Every route that takes a body from somebody who is no administrator of the system. */
const BODIES: readonly Case[] = [
  { method: 'PUT', url: () => `/users/${me().number}`, body: { realname: 'M' } },
  {
    method: 'PUT',
    url: () => `/users/${me().number}/password`,
    body: { old_password: PASSWORD, new_password: `${PASSWORD}9` },
  },
  { method: 'POST', url: () => '/projects', body: { project_name: 'mallorys' } },
  { method: 'PUT', url: () => '/projects/own', body: { metadata: { public: 'false' } } },
  {
    method: 'POST',
    url: () => '/projects/own/members',
    body: { role_id: 3, member_user: { username: 'mallory' } },
    takes: ['role_id'],
  },
]

/** As text, since an object literal’s `__proto__` is not a key of it. */
function withField(body: object, [key, value]: readonly [string, unknown]): string {
  return `${JSON.stringify(body).slice(0, -1)},${JSON.stringify(key)}:${JSON.stringify(value)}}`
}

describe('sec-1: a body says what its route takes and nothing else', () => {
  beforeAll(async () => {
    await client.send('POST', `${API}/projects`, { as: 'mallory', body: { project_name: 'own' } })
  })

  const cases = BODIES.flatMap((one) =>
    PRIVILEGED.filter(([key]) => !(one.takes ?? []).includes(key)).map((field) => ({ ...one, field })),
  )
  test.each(cases)('$method $body with $field', async ({ method, url, body, field }) => {
    const before = node.site.stateHash()
    const answer = await client.send(method, API + url(), { as: 'mallory', body: withField(body, field) })
    expect(answer.status).toBe(400)
    expect(node.site.stateHash()).toBe(before)
  })

  test('a key that is there twice is refused, whichever of the two would count', async () => {
    const url = `${API}/users/${me().number}`
    const twice = '{"realname":"M","realname":"N"}'
    expect((await client.send('PUT', url, { as: 'mallory', body: twice })).status).toBe(400)
  })

  test('nobody registers themselves, as administrator or otherwise', async () => {
    const body = { username: 'selfmade', password: PASSWORD, has_admin_role: true }
    expect((await client.send('POST', `${API}/users`, { body })).status).toBe(401)
    expect((await client.send('POST', `${API}/users`, { as: 'mallory', body })).status).toBe(403)
    expect(node.accounts.byName('selfmade')).toBeUndefined()
  })

  test('an administrator’s own requests are as strict', async () => {
    for (const field of PRIVILEGED.filter(([key]) => key !== 'has_admin_role' && key !== 'sysadmin_flag')) {
      const body = withField({ username: 'extra', password: PASSWORD }, field)
      expect((await client.send('POST', `${API}/users`, { ...boss, body })).status).toBe(400)
    }
    expect(node.accounts.byName('extra')).toBeUndefined()
  })

  test('after all of this mallory is who they were', () => {
    expect(node.accounts.byName('mallory')).toMatchObject({ admin: false })
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('sec-27: whatever reaches a handler has been checked, also when the content type is odd', () => {
  test.each([
    'application/json\ta',
    ' application/json',
    'application/json;',
    'text/plain',
    'application/x-www-form-urlencoded',
    'APPLICATION/JSON',
    'application/json; charset=utf-16',
    'application/vnd.x+json',
  ])('%j', async (type) => {
    const before = node.site.stateHash()
    const answer = await client.send('PUT', `${API}/users/${me().number}`, {
      as: 'mallory',
      headers: { 'content-type': type },
      body: '{"sysadmin_flag":true}',
    })
    expect([400, 415]).toContain(answer.status)
    expect(node.site.stateHash()).toBe(before)
  })

  test('another site’s page changes nothing in an administrator’s name', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' }
    expect((await client.send('POST', `${API}/cluster/leave`, { ...boss, headers })).status).toBe(403)
    const own = { 'sec-fetch-site': 'same-origin' }
    expect((await client.send('POST', `${API}/cluster/leave`, { ...boss, headers: own })).status).toBe(200)
  })
})
