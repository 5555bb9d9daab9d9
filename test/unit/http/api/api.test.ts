import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import { apiRoutes } from '../../../../src/http/api/api.ts'
import { ControlSocket } from '../../../../src/http/api/control-socket.ts'
import { requirePolicies } from '../../../../src/http/api/policy.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import type { InviteRequest, Topology } from '../../../../src/registry/topology.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'
import { systemTimers } from '../../../../src/runtime/timers.ts'
import {
  ADMIN_PASSWORD,
  type Answer,
  assemble,
  Client,
  founded,
  PASSWORD,
  serve,
  type TestNode,
  user,
} from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'

const clock = new HandClock()
const sites = new Sites(clock)
let node: TestNode
let client: Client
const asked: string[] = []
/** What a cluster is asked for, written down: the cluster's own tests show that it does it. */
const topology: Topology = {
  status: async () => ({ self: 'me' }) as never,
  invite: async ({ ttlSeconds }: InviteRequest) => ({ id: 'i', invite: `for ${ttlSeconds}`, expiresAt: 'x' }),
  evict: async (id) => void asked.push(`evict ${id}`),
  leave: async () => void asked.push('leave'),
}
const boss = { as: 'admin', password: ADMIN_PASSWORD }

beforeAll(async () => {
  node = await founded(sites, topology)
  client = await serve(sites, node)
  await user(node, 'alice')
  await user(node, 'bob')
})
afterAll(() => sites.close())

const API = '/api/v2.0'
const items = (answer: Answer) => answer.json as Record<string, unknown>[]
const thing = (answer: Answer) => answer.json as Record<string, unknown>
const numberOf = (name: string) => node.accounts.byName(name)?.number as number

describe('for anyone', () => {
  test('it answers a ping, says how it is and how to log in, with a request id', async () => {
    const ping = await client.send('GET', `${API}/ping`, { headers: { 'x-request-id': 'mine' } })
    expect([ping.status, ping.text, ping.headers['x-request-id']]).toEqual([200, 'Pong', 'mine'])
    const health = await client.send('GET', `${API}/health`)
    expect(health.json).toEqual({ status: 'healthy', components: [{ name: 'journal', status: 'healthy' }] })
    const info = await client.send('GET', `${API}/systeminfo`)
    expect(thing(info)).toEqual({ auth_mode: 'db_auth', self_registration: false, primary_auth_mode: false })
    expect(thing(await client.send('GET', `${API}/systeminfo`, { as: 'alice' }))).toHaveProperty(
      'harbor_version',
    )
  })

  test('there is nothing elsewhere, in Harbor’s form', async () => {
    expect(await client.send('GET', `${API}/nothing`)).toMatchObject({ status: 404, code: 'NOT_FOUND' })
  })
})

describe('users', () => {
  test('are made by an administrator, and log in', async () => {
    const body = { username: 'carol', password: PASSWORD, email: 'c@example.com', realname: 'C', comment: '' }
    const made = await client.send('POST', `${API}/users`, { ...boss, body })
    expect(made.status).toBe(201)
    expect(made.headers['location']).toBe(`${API}/users/${numberOf('carol')}`)
    const current = await client.send('GET', `${API}/users/current`, { as: 'carol' })
    expect(thing(current)).toMatchObject({
      user_id: numberOf('carol'),
      username: 'carol',
      email: 'c@example.com',
      sysadmin_flag: false,
      creation_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    })
    const again = await client.send('POST', `${API}/users`, { ...boss, body })
    expect(again).toMatchObject({ status: 409, code: 'CONFLICT' })
    expect(await client.send('POST', `${API}/users`, { as: 'alice', body })).toMatchObject({ status: 403 })
    expect(await client.send('POST', `${API}/users`, { body })).toMatchObject({ status: 401 })
  })

  test('may be made administrators in one go, by administrators', async () => {
    const body = { username: 'deputy', password: PASSWORD, has_admin_role: true }
    expect((await client.send('POST', `${API}/users`, { ...boss, body })).status).toBe(201)
    expect(node.accounts.byName('deputy')?.admin).toBe(true)
    const url = `${API}/users/${numberOf('deputy')}/sysadmin`
    expect((await client.send('PUT', url, { ...boss, body: { sysadmin_flag: false } })).status).toBe(200)
    expect(node.accounts.byName('deputy')?.admin).toBe(false)
  })

  test('are listed in pages, searched and sorted by what is listed, for administrators', async () => {
    const first = await client.send('GET', `${API}/users?page_size=2&sort=username`, boss)
    expect(items(first).map((one) => one['username'])).toEqual(['admin', 'alice'])
    const total = Number(first.headers['x-total-count'])
    expect(total).toBeGreaterThan(3)
    expect(first.headers['link']).toBe(`<${API}/users?page_size=2&sort=username&page=2>; rel="next"`)
    const second = await client.send('GET', `${API}/users?page=2&page_size=2`, boss)
    expect(second.headers['link']).toContain('page=1&page_size=2>; rel="prev", <')
    const found = await client.send('GET', `${API}/users?q=username=~LIC`, boss)
    expect(items(found).map((one) => one['username'])).toEqual(['alice'])
    const admins = await client.send('GET', `${API}/users?q=sysadmin_flag=true`, boss)
    expect(items(admins).map((one) => one['username'])).toEqual(['admin'])
    expect(items(await client.send('GET', `${API}/users?page=99`, boss))).toEqual([])
    expect((await client.send('GET', `${API}/users`, { as: 'alice' })).status).toBe(403)
  })

  test.each([
    'q=password=x',
    'q=passwordHash=~a',
    'q=hash=~a',
    'q=username',
    'q==x',
    'sort=password',
    'q=constructor=1',
    'page=0',
    'page_size=-1',
    'page_size=x',
    'page=1&page=2',
    'q=user_id=[~]',
    'q=username=(a%20b)',
  ])('are not searched by %s', async (query) => {
    expect(await client.send('GET', `${API}/users?${query}`, boss)).toMatchObject({
      status: 400,
      code: 'BAD_REQUEST',
    })
  })

  test('are found by anybody who logged in, by name and number alone', async () => {
    const found = await client.send('GET', `${API}/users/search?username=bo`, { as: 'alice' })
    expect(found.json).toEqual([{ user_id: numberOf('bob'), username: 'bob' }])
    expect((await client.send('GET', `${API}/users/search?username=bo`)).status).toBe(401)
  })

  test('see and change themselves', async () => {
    const url = `${API}/users/${numberOf('alice')}`
    expect((await client.send('GET', url, { as: 'alice' })).status).toBe(200)
    const body = { realname: 'Alice A.', email: 'alice@example.com' }
    expect((await client.send('PUT', url, { as: 'alice', body })).status).toBe(200)
    expect(thing(await client.send('GET', url, boss))).toMatchObject(body)
    expect((await client.send('GET', url, { as: 'bob' })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'bob', body })).status).toBe(403)
    expect((await client.send('DELETE', url, { as: 'alice' })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'alice', body: { email: 'no' } })).status).toBe(400)
  })

  test('change their password with the old one, administrators anybody’s', async () => {
    await user(node, 'dave')
    const url = `${API}/users/${numberOf('dave')}/password`
    const next = `${PASSWORD}2`
    const wrong = { old_password: 'Wrong-1-wrong', new_password: next }
    expect((await client.send('PUT', url, { as: 'dave', body: wrong })).status).toBe(403)
    const none = { new_password: next }
    expect((await client.send('PUT', url, { as: 'dave', body: none })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'bob', body: none })).status).toBe(403)
    const right = { old_password: PASSWORD, new_password: next }
    expect(
      (await client.send('PUT', url, { as: 'dave', body: { ...right, new_password: 'weak' } })).status,
    ).toBe(400)
    expect((await client.send('PUT', url, { as: 'dave', body: right })).status).toBe(200)
    expect((await client.send('GET', `${API}/users/current`, { as: 'dave' })).status).toBe(401)
    expect((await client.send('GET', `${API}/users/current`, { as: 'dave', password: next })).status).toBe(
      200,
    )
    expect((await client.send('PUT', url, { ...boss, body: { new_password: PASSWORD } })).status).toBe(200)
    expect((await client.send('GET', `${API}/users/current`, { as: 'dave' })).status).toBe(200)
    const self = `${API}/users/${numberOf('admin')}/password`
    expect((await client.send('PUT', self, { ...boss, body: none })).status).toBe(403)
  })

  test('go when an administrator says so', async () => {
    await user(node, 'gone')
    const url = `${API}/users/${numberOf('gone')}`
    expect((await client.send('DELETE', url, boss)).status).toBe(200)
    expect((await client.send('GET', url, boss)).status).toBe(404)
    expect((await client.send('GET', `${API}/users/current`, { as: 'gone' })).status).toBe(401)
    expect((await client.send('DELETE', `${API}/users/${numberOf('admin')}`, boss)).status).toBe(403)
  })
})

describe('projects', () => {
  test('are made by users, who own them', async () => {
    const body = {
      project_name: 'alices',
      metadata: { public: 'false' },
      storage_limit: -1,
      registry_id: null,
    }
    const made = await client.send('POST', `${API}/projects`, { as: 'alice', body })
    expect(made.status).toBe(201)
    const number = node.projects.find('alices')?.number
    expect(made.headers['location']).toBe(`${API}/projects/${number}`)
    const url = `${API}/projects/alices`
    expect(thing(await client.send('GET', url, { as: 'alice' }))).toMatchObject({
      project_id: number,
      name: 'alices',
      owner_name: 'alice',
      repo_count: 0,
      togglable: true,
      current_user_role_id: 1,
      deleted: false,
      metadata: { public: 'false' },
    })
    expect((await client.send('GET', `${API}/projects/${number}`, { as: 'alice' })).status).toBe(200)
    expect((await client.send('POST', `${API}/projects`, { as: 'bob', body })).status).toBe(409)
    expect((await client.send('POST', `${API}/projects`, { body })).status).toBe(401)
  })

  test('answer with their name in Location where that is asked for', async () => {
    const headers = { 'x-resource-name-in-location': 'true' }
    const made = await client.send('POST', `${API}/projects`, {
      as: 'bob',
      headers,
      body: { project_name: '777' },
    })
    expect(made.headers['location']).toBe(`${API}/projects/777`)
    expect((await client.send('GET', `${API}/projects/777`, { as: 'bob' })).status).toBe(404)
    const named = { as: 'bob', headers: { 'x-is-resource-name': 'true' } }
    expect((await client.send('GET', `${API}/projects/777`, named)).status).toBe(200)
  })

  test.each([
    { project_name: 'Upper' },
    {},
    { project_name: 'x', storage_limit: 1024 },
    { project_name: 'x', registry_id: 1 },
    { project_name: 'x', metadata: { prevent_vul: 'true' } },
    { project_name: 'x', metadata: { public: true } },
    { project_name: 'x', cve_allowlist: { items: [{ cve_id: 'CVE-1' }] } },
    { project_name: 'x', owner_id: 1 },
  ])('are not made of %j', async (body) => {
    expect((await client.send('POST', `${API}/projects`, { as: 'alice', body })).status).toBe(400)
  })

  test('show to each who may see them', async () => {
    await client.send('POST', `${API}/projects`, { as: 'bob', body: { project_name: 'bobs', public: true } })
    const names = async (query: string, who: object) =>
      items(await client.send('GET', `${API}/projects?${query}`, who)).map((one) => one['name'])
    expect(await names('', {})).toEqual(['bobs', 'library'])
    expect(await names('', { as: 'alice' })).toEqual(['alices', 'bobs', 'library'])
    expect(await names('public=false', { as: 'alice' })).toEqual(['alices'])
    expect(await names('public=false', {})).toEqual([])
    expect(await names('name=bo', {})).toEqual(['bobs'])
    expect(await names('owner=bob', { as: 'alice' })).toEqual(['bobs'])
    expect(await names('owner=nobody', boss)).toEqual([])
    expect(await names('sort=-name&page_size=1', { as: 'alice' })).toEqual(['library'])
    expect(await names('q=name=~li,public=true', { as: 'alice' })).toEqual(['library'])
    expect((await client.send('GET', `${API}/projects?q=ownerId=x`, boss)).status).toBe(400)
    const total = await client.send('GET', `${API}/projects?page_size=1`, {})
    expect(total.headers['x-total-count']).toBe('2')
  })

  test('exist for who may see them', async () => {
    const head = async (name: string, who: object = {}) =>
      (await client.send('HEAD', `${API}/projects?project_name=${name}`, who)).status
    expect(await head('library')).toBe(200)
    expect([await head('alices', { as: 'alice' }), await head('alices', { as: 'bob' })]).toEqual([200, 404])
    expect([await head('alices'), await head('nowhere')]).toEqual([401, 401])
    expect(await head('nowhere', { as: 'bob' })).toBe(404)
  })

  test('open, and close, and go', async () => {
    const url = `${API}/projects/bobs`
    const closed = { metadata: { public: 'false' } }
    expect((await client.send('PUT', url, { as: 'alice', body: closed })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'bob', body: closed })).status).toBe(200)
    expect((await client.send('GET', url, { as: 'alice' })).status).toBe(404)
    expect((await client.send('DELETE', url, { as: 'alice' })).status).toBe(404)
    expect((await client.send('DELETE', url, { as: 'bob' })).status).toBe(200)
    expect((await client.send('GET', url, { as: 'bob' })).status).toBe(404)
  })

  test('list what was pushed, and stay while it is there', async () => {
    const { id: projectId } = node.projects.find('alices') as { id: string }
    const digest = `sha256:${'b'.repeat(64)}` as never
    const facts = {
      mediaType: 'm',
      size: 1,
      artifactType: null,
      subject: null,
      annotations: {},
      references: [],
    }
    for (const path of ['web', 'api/v1']) {
      await node.site.commit(CATALOG, () => [op('manifest.put', { projectId, path, digest, ...facts }, 'x')])
    }
    const url = `${API}/projects/alices`
    const listed = await client.send('GET', `${url}/repositories`, { as: 'alice' })
    expect(items(listed).map((one) => one['name'])).toEqual(['alices/api/v1', 'alices/web'])
    expect(items(listed)[0]).toMatchObject({ artifact_count: 1 })
    const found = await client.send('GET', `${url}/repositories?q=name=~we&sort=-update_time`, {
      as: 'alice',
    })
    expect(items(found)).toHaveLength(1)
    expect((await client.send('GET', `${url}/repositories`, { as: 'bob' })).status).toBe(404)
    expect(thing(await client.send('GET', `${url}/summary`, { as: 'alice' }))).toMatchObject({
      repo_count: 2,
      project_admin_count: 1,
      guest_count: 0,
    })
    expect(await client.send('DELETE', url, { as: 'alice' })).toMatchObject({
      status: 412,
      code: 'PRECONDITION',
    })
  })
})

describe('members', () => {
  test('are added by name or number, listed, changed and removed by the project’s administrator', async () => {
    await client.send('POST', `${API}/projects`, { as: 'alice', body: { project_name: 'team' } })
    const url = `${API}/projects/team/members`
    const add = (role_id: number, member_user: object, who = 'alice') =>
      client.send('POST', url, { as: who, body: { role_id, member_user } })
    const made = await add(3, { username: 'bob' })
    expect(made.status).toBe(201)
    const one = made.headers['location'] as string
    expect(one).toMatch(/^\/api\/v2\.0\/projects\/team\/members\/\d+$/)
    expect(thing(await client.send('GET', one, { as: 'alice' }))).toMatchObject({
      entity_name: 'bob',
      entity_type: 'u',
      entity_id: numberOf('bob'),
      role_id: 3,
      role_name: 'guest',
    })
    expect((await add(2, { user_id: numberOf('bob') })).status).toBe(409)
    expect((await add(2, { user_id: numberOf('carol') })).status).toBe(201)
    expect((await add(2, { username: 'nobody' })).status).toBe(404)
    expect((await add(9, { username: 'nobody' })).status).toBe(400)
    expect((await add(1, { username: 'dave' }, 'bob')).status).toBe(403)
    expect((await add(1, { username: 'dave' }, 'dave')).status).toBe(404)
    const listed = await client.send('GET', `${url}?page_size=2`, { as: 'bob' })
    expect(items(listed).map((member) => member['entity_name'])).toEqual(['alice', 'bob'])
    expect(listed.headers['x-total-count']).toBe('3')
    expect(items(await client.send('GET', `${url}?entityname=aro`, { as: 'bob' }))).toHaveLength(1)
    const promote = { body: { role_id: 1 } }
    expect((await client.send('PUT', one, { as: 'bob', ...promote })).status).toBe(403)
    expect((await client.send('PUT', one, { as: 'alice', ...promote })).status).toBe(200)
    expect(thing(await client.send('GET', one, { as: 'bob' }))).toMatchObject({ role_name: 'projectAdmin' })
    expect((await client.send('DELETE', one, { as: 'alice' })).status).toBe(200)
    expect((await client.send('GET', one, { as: 'alice' })).status).toBe(404)
    expect((await client.send('GET', url, { as: 'bob' })).status).toBe(404)
  })

  test('of one project are nobody in another', async () => {
    await client.send('POST', `${API}/projects`, { as: 'bob', body: { project_name: 'bobs2' } })
    const [member] = items(await client.send('GET', `${API}/projects/team/members`, { as: 'alice' }))
    const url = `${API}/projects/bobs2/members/${String(member?.['id'])}`
    for (const method of ['GET', 'DELETE']) {
      expect((await client.send(method, url, { as: 'bob' })).status).toBe(404)
    }
  })
})

describe('the cluster', () => {
  const member = 'a'.repeat(32)
  test('is for administrators to see and change', async () => {
    expect((await client.send('GET', `${API}/cluster`, boss)).json).toEqual({ self: 'me' })
    const invited = await client.send('POST', `${API}/cluster/invites`, {
      ...boss,
      body: { ttl_seconds: 1800 },
    })
    expect([invited.status, thing(invited)['invite']]).toEqual([201, 'for 1800'])
    expect((await client.send('DELETE', `${API}/cluster/members/${member}`, boss)).status).toBe(200)
    expect((await client.send('POST', `${API}/cluster/leave`, boss)).status).toBe(200)
    expect(asked).toEqual([`evict ${member}`, 'leave'])
  })

  test('is nobody else’s business', async () => {
    for (const [method, url] of [
      ['GET', '/cluster'],
      ['POST', '/cluster/invites'],
      ['DELETE', `/cluster/members/${member}`],
      ['POST', '/cluster/leave'],
    ] as const) {
      expect((await client.send(method, API + url, { as: 'alice' })).status).toBe(403)
      expect((await client.send(method, API + url)).status).toBe(401)
    }
  })

  test.each([
    {},
    { ttl_seconds: 0 },
    { ttl_seconds: 1e9 },
    { ttl_seconds: '60' },
    { ttl_seconds: 60, role: 'anchor' },
  ])('makes no invite of %j', async (body) => {
    expect((await client.send('POST', `${API}/cluster/invites`, { ...boss, body })).status).toBe(400)
  })
})

describe('the control socket', () => {
  test('is the operator’s: no password, an administrator’s rights, a file for one user alone', async () => {
    const path = join(await sites.directory(), 'control')
    const routes = [apiRoutes(node.api, { door: 'control' })]
    const parts = { routes, logger: silentLogger, random: systemRandom, timers: systemTimers }
    const socket = new ControlSocket(parts, { path })
    await socket.start()
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const operator = new Client({ socketPath: path })
    expect((await operator.send('GET', `${API}/cluster`)).json).toEqual({ self: 'me' })
    const body = { username: 'made-here', password: PASSWORD }
    expect((await operator.send('POST', `${API}/users`, { body })).status).toBe(201)
    expect((await operator.send('POST', `${API}/projects`, { body: { project_name: 'ops' } })).status).toBe(
      201,
    )
    expect(node.projects.find('ops')?.ownerId).toBe(node.accounts.byName('admin')?.id)
    expect((await operator.send('GET', `${API}/users/current`)).status).toBe(404)
    await socket.stop()
    await expect(operator.send('GET', `${API}/ping`)).rejects.toThrow()
    // A crash leaves files behind; the next start is not held up by them, and clears them away.
    await writeFile(path, '')
    await mkdir(join(dirname(path), '.control-abcdef'))
    const again = new ControlSocket(parts, { path })
    await again.start()
    expect(await readdir(dirname(path))).toEqual([expect.stringMatching(/^\.control-(?!abcdef)/), 'control'])
    expect((await operator.send('GET', `${API}/ping`)).status).toBe(200)
    await again.stop()
  })

  test('says so when its path is too long for one', async () => {
    const path = join(await sites.directory(), 'x'.repeat(100))
    const parts = { routes: [], logger: silentLogger, random: systemRandom, timers: systemTimers }
    await expect(new ControlSocket(parts, { path }).start()).rejects.toMatchObject({
      code: 'CONTROL_SOCKET_PATH_TOO_LONG',
    })
  })
})

test('a route without a policy stops the start', async () => {
  const app = fastify()
  void app.register(async (scope) => {
    requirePolicies(scope)
    scope.get('/declared', { config: { policy: 'anyone' } }, async () => 'ok')
    scope.get('/forgotten', async () => 'ok')
  })
  await expect(app.ready()).rejects.toMatchObject({ code: 'ROUTE_WITHOUT_POLICY' })
})

test('a node that was evicted says that it is not ready, and still lives', async () => {
  const host = await founded(sites)
  const guest = assemble(await sites.admit(host.site), sites)
  const door = await serve(sites, guest)
  expect((await door.send('GET', '/readyz')).status).toBe(200)
  await host.site.commit(AUTHORITY, () => [op('node.evicted', { node: guest.site.node }, NODE_ITSELF.actor)])
  await guest.site.learn(host.site)
  clock.advance(1001)
  const answer = await door.send('GET', '/readyz')
  expect(answer.status).toBe(503)
  expect(answer.json).toMatchObject({ status: 'unhealthy', components: [{ status: 'unhealthy' }] })
  expect((await door.send('GET', '/livez')).status).toBe(200)
})
