import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { layFoundations } from '../../src/access/foundations.ts'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { API_ROUTES } from '../../src/http/api/api.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import {
  ADMIN_PASSWORD,
  type Answer,
  assemble,
  type Client,
  originAndReplica,
  PASSWORD,
  serve,
  type TestNode,
  user,
} from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

const clock = new HandClock()
const sites = new Sites(clock)
const boss = { as: 'admin', password: ADMIN_PASSWORD }
const places = new Map<string, { node: TestNode; client: Client }>()
beforeAll(async () => {
  const { origin, replica } = await originAndReplica(sites, async (node) => {
    const owner = await user(node, 'owner')
    await user(node, 'stranger')
    const { id } = await node.projects.create({ name: 'canary-project' }, owner.id, NODE_ITSELF)
    await node.members.add(id, (await user(node, 'canary-member')).id, 3, NODE_ITSELF)
  })
  for (const [name, node] of Object.entries({ origin, replica })) {
    places.set(name, { node, client: await serve(sites, node) })
  }
})
afterAll(() => sites.close())

const API = '/api/v2.0'
/** Everything of an answer that may tell one case from another. */
function shape({ status, headers, text }: Answer): object {
  const { date: _date, 'x-request-id': _id, ...told } = headers
  return { status, told, text }
}

describe.each(['origin', 'replica'])('on the %s', (place) => {
  const client = () => places.get(place)?.client as Client
  const node = () => places.get(place)?.node as TestNode

  test('sec-5: no answer to anybody holds a password’s hash', async () => {
    const project = node().projects.find('canary-project')
    const everybody = [{}, { as: 'stranger' }, { as: 'owner' }, boss]
    const hash = node().site.tables.get('users', node().accounts.byName('owner')?.id as string)?.password.hash
    expect(hash).toContain('$argon2id$')
    let answers = 0
    for (const { method, url } of API_ROUTES) {
      if (method !== 'GET') continue
      const path = url
        .replace(':user_id', String(node().accounts.byName('owner')?.number))
        .replace(':project', String(project?.number))
        .replace(':mid', '1')
      for (const who of everybody) {
        const { text } = await client().send('GET', `${API}${path}?username=o`, who)
        expect(text).not.toMatch(/argon2|passwordHash|"password"|"hash"/i)
        answers += 1
      }
    }
    expect(answers).toBeGreaterThan(40)
  })

  test('sec-5: what a filter or an order names and is not listed is refused, so nothing is guessed by comparing', async () => {
    for (const field of [
      'password',
      'passwordHash',
      'password.hash',
      'salt',
      'epoch',
      '__proto__',
      'constructor',
    ]) {
      for (const query of [`q=${field}=~%24argon2`, `q=${field}=[a~z]`, `sort=${field}`, `sort=-${field}`]) {
        for (const list of ['users', 'projects', 'projects/library/repositories']) {
          expect((await client().send('GET', `${API}/${list}?${query}`, boss)).status).toBe(400)
        }
      }
    }
  })

  test('sec-5: a wrong password and a name there is not are answered alike, at every door', async () => {
    for (const path of [
      `${API}/users/current`,
      '/service/token?service=harbor-registry',
      `${API}/projects`,
    ]) {
      const wrong = await client().send('GET', path, { as: 'owner', password: 'Wrong-1-wrong' })
      const none = await client().send('GET', path, { as: 'nobody-there', password: 'Wrong-1-wrong' })
      expect(wrong.status).toBe(401)
      expect(shape(none)).toEqual(shape(wrong))
    }
  })

  test('sec-5, sec-15: a private project is answered as one there is not, on every route', async () => {
    const hidden = 'canary-project'
    const absent = 'nowhere-at-all'
    for (const who of [{}, { as: 'stranger' }]) {
      for (const { method, url } of API_ROUTES) {
        if (!url.includes(':project')) continue
        const at = (name: string) => API + url.replace(':project', name).replace(':mid', '1')
        const bodied = method === 'POST' || method === 'PUT' ? { body: {} } : {}
        const [one, other] = [
          await client().send(method, at(hidden), { ...who, ...bodied }),
          await client().send(method, at(absent), { ...who, ...bodied }),
        ]
        expect(shape(one)).toEqual(shape(other))
      }
    }
  })

  test('sec-11, sec-15: the canary’s name is in no answer to who may not see it', async () => {
    for (const who of [{}, { as: 'stranger' }]) {
      for (const path of [
        '/projects',
        '/projects?name=canary',
        '/projects?owner=owner',
        '/systeminfo',
        '/health',
      ]) {
        const { text, headers } = await client().send('GET', API + path, who)
        expect(text + JSON.stringify(headers)).not.toContain('canary-project')
      }
      const scope = 'repository:canary-project/x:pull'
      const asked = await client().send('GET', `/service/token?service=harbor-registry&scope=${scope}`, who)
      const { token } = asked.json as { token: string }
      const claims = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
      expect(claims).toMatchObject({ access: [{ actions: [] }] })
    }
  })

  test('sec-6: no page is larger than the largest', async () => {
    for (const size of ['101', '999999999']) {
      const { status } = await client().send('GET', `${API}/users?page_size=${size}`, boss)
      expect(status).toBe(200)
    }
    for (const size of ['-1', '0', 'NaN', '1e9', '99999999999999999999', '']) {
      const { status } = await client().send('GET', `${API}/users?page_size=${size}`, boss)
      expect(status).toBe(400)
    }
  })
})

describe('sec-4: there is no default credential', () => {
  test('two new clusters share no secret, and neither takes a password anybody has heard of', async () => {
    const made = []
    for (let n = 0; n < 2; n++) {
      const node = assemble(await sites.found(), sites)
      const parts = { ...node, random: systemRandom }
      const { password } = await layFoundations(parts, { adminPassword: null })
      for (const guess of ['Harbor12345', 'admin', '', 'password', 'Admin123']) {
        clock.advance(120_000)
        expect(await node.logins.check({ name: 'admin', password: guess })).toBeUndefined()
      }
      const row = node.site.tables.get('users', node.accounts.byName('admin')?.id as string)
      made.push([password, row?.password.hash, node.site.key.publicKey, node.site.cluster])
    }
    const [one, two] = made as [string[], string[]]
    for (const secret of one) expect(two).not.toContain(secret)
  })
})

describe('sec-29: an empty password opens nothing', () => {
  test.each(['', ' '])('%j', async (password) => {
    const { client } = places.get('origin') as { client: Client }
    expect((await client.send('GET', `${API}/users/current`, { as: 'owner', password })).status).toBe(401)
    const form = new URLSearchParams({
      grant_type: 'password',
      service: 'harbor-registry',
      username: 'owner',
      password,
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await client.send('POST', '/service/token', { headers, body: form.toString() })
    expect(answer.status).toBe(401)
    expect(PASSWORD).not.toBe(password)
  })
})
