import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_PASSWORD,
  type Client,
  originAndReplica,
  PASSWORD,
  serve,
  type TestNode,
  user,
} from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

/** Names that mean something to the language or to the eye, on the node they were given to and on another. */
const sites = new Sites(new HandClock())
const boss = { as: 'admin', password: ADMIN_PASSWORD }
const API = '/api/v2.0'
let origin: { node: TestNode; client: Client }
let replica: { node: TestNode; client: Client }
beforeAll(async () => {
  const both = await originAndReplica(sites, async (node) => void (await user(node, 'admin2')))
  origin = { node: both.origin, client: await serve(sites, both.origin) }
  replica = { node: both.replica, client: await serve(sites, both.replica) }
})
afterAll(() => sites.close())

const make = (username: string) =>
  origin.client.send('POST', `${API}/users`, { ...boss, body: { username, password: PASSWORD } })

describe('sec-30: names of the language are names', () => {
  test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'])(
    'the user %s is a user like any other, here and there',
    async (name) => {
      expect((await make(name)).status).toBe(201)
      await replica.node.site.learn(origin.node.site)
      for (const { client } of [origin, replica]) {
        const current = await client.send('GET', `${API}/users/current`, { as: name })
        expect(current.json).toMatchObject({ username: name, sysadmin_flag: false })
        expect((await client.send('GET', `${API}/users`, { as: name })).status).toBe(403)
      }
    },
  )

  test('a project, a setting, a filter and a tag of that kind find nothing that is not theirs', async () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      for (const { client } of [origin, replica]) {
        expect((await client.send('GET', `${API}/projects/${name}`, boss)).status).toBe(404)
        const head = await client.send('HEAD', `${API}/projects?project_name=${name}`, boss)
        expect(head.status).toBe(404)
      }
      const body = `{"project_name":"x","metadata":{"${name}":"true"}}`
      const made = await origin.client.send('POST', `${API}/projects`, { ...boss, body })
      expect(made.status).toBe(400)
      expect(origin.node.projects.find('x')).toBeUndefined()
    }
    const made = await origin.client.send('POST', `${API}/projects`, {
      ...boss,
      body: { project_name: 'constructor' },
    })
    expect(made.status).toBe(201)
    await replica.node.site.learn(origin.node.site)
    const there = await replica.client.send('GET', `${API}/projects/constructor`, boss)
    expect(there.json).toMatchObject({ name: 'constructor', metadata: { public: 'false' } })
    expect((await replica.client.send('GET', `${API}/projects/constructor`)).status).toBe(401)
  })
})

describe('sec-30: names that look alike are one, or none', () => {
  test.each(['ADMIN', 'Admin', 'aDmIn'])('%s is taken', async (name) => {
    expect((await make(name)).status).toBe(409)
    const answer = await origin.client.send('GET', `${API}/users/current`, { ...boss, as: name })
    expect(answer.json).toMatchObject({ username: 'admin' })
  })

  test('two ways to write one letter are one letter', async () => {
    expect((await make('ren\u00e9e')).status).toBe(201)
    expect([400, 409]).toContain((await make('rene\u0301e')).status)
    expect([400, 409]).toContain((await make('REN\u00c9E')).status)
  })

  test.each([
    ['Cyrillic а in Latin', '\u0430dmin'],
    ['Greek ο in Latin', 'r\u03bfot'],
    ['full width', '\uff41dmin'],
    ['a ligature', 'of\ufb01ce'],
    ['a zero-width joiner', 'ad\u200dmin'],
    ['a zero-width space', 'ad\u200bmin'],
    ['a soft hyphen', 'ad\u00admin'],
    ['text that runs the other way', 'ad\u202emin'],
    ['a byte order mark', '\ufeffadmin'],
    ['a Kelvin sign', '\u212aate'],
  ])('%s is refused', async (_what, name) => {
    expect((await make(name)).status).toBe(400)
  })
})

describe('sec-31: what is written here is read in logs and pages elsewhere', () => {
  const spoilt = ['line\nbreak', 'tab\u0009', 'nul\u0000', 'escape\u001b[2J', 'delete\u007f', 'c1\u0085']
  test.each(spoilt)('no field takes %j', async (text) => {
    for (const field of ['username', 'realname', 'comment', 'email']) {
      const body = { username: 'fine', password: PASSWORD, [field]: text }
      expect((await origin.client.send('POST', `${API}/users`, { ...boss, body })).status).toBe(400)
    }
    const body = { project_name: text }
    expect((await origin.client.send('POST', `${API}/projects`, { ...boss, body })).status).toBe(400)
  })

  test('no answer is taken for a page', async () => {
    const body = { username: 'marked', password: PASSWORD, realname: '<script>alert(1)</script>' }
    await origin.client.send('POST', `${API}/users`, { ...boss, body })
    const { headers } = await origin.client.send('GET', `${API}/users/current`, { as: 'marked' })
    expect(headers['content-type']).toContain('application/json')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  test('nothing a request says gets into a header of the answer', async () => {
    const evil = encodeURIComponent('x>; rel="next"\r\nset-cookie: a=b')
    const listed = await origin.client.send('GET', `${API}/users?page_size=1&username=&x=${evil}`, boss)
    expect(listed.headers['set-cookie']).toBeUndefined()
    expect(String(listed.headers['link']).match(/rel=/g)).toHaveLength(1)
    const headers = { host: 'evil"x', 'x-request-id': 'a b"c' }
    const answer = await origin.client.send('GET', `${API}/ping`, { headers })
    expect(answer.headers['x-request-id']).not.toContain('"')
  })
})
