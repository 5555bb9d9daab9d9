import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import { apiRoutes } from '../../../../src/http/api/api.ts'
import { ControlSocket } from '../../../../src/http/api/control-socket.ts'
import { requirePolicies } from '../../../../src/http/api/policy.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../../src/journal/op.ts'
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
  leave: async (_, force) => void asked.push(force ? 'leave with force' : 'leave'),
  handOver() {
    asked.push('hand over')
    return { running: true, blobs: 0, bytes: 0, handed: 0, handedBytes: 0, failed: 0 }
  },
  handover: () => ({ running: false, blobs: 1, bytes: 2, handed: 1, handedBytes: 2, failed: 0 }),
  invites: async () => [],
  withdrawInvite: async (id) => void asked.push(`withdraw ${id}`),
  approve: async (id) => void asked.push(`approve ${id}`),
  review: async (node) => ({ node, name: node, logs: {}, before: {}, ops: [], truncated: false }),
  rotateNetworkKey: async () => '0'.repeat(16),
  links: async () => [],
  setLink: async (link, said) => void asked.push(`set ${link} ${JSON.stringify(said)}`),
  checkStorage(anew) {
    if (anew) asked.push('check the storage')
    return { running: anew, rows: 0, entries: 0, entriesTotal: 0, last: null }
  },
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
const JOURNAL = { name: 'journal', status: 'healthy' }
const RECORDS = { name: 'records', status: 'healthy' }
const thing = (answer: Answer) => answer.json as Record<string, unknown>

describe('for anyone', () => {
  test('it answers a ping, says how it is and how to log in, with a request id', async () => {
    const ping = await client.send('GET', `${API}/ping`, { headers: { 'x-request-id': 'mine' } })
    expect([ping.status, ping.text, ping.headers['x-request-id']]).toEqual([200, 'Pong', 'mine'])
    const health = await client.send('GET', `${API}/health`)
    expect(health.json).toEqual({ status: 'healthy', components: [JOURNAL, RECORDS] })
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

describe('the cluster', () => {
  const member = 'a'.repeat(32)
  test('is for administrators to see and change', async () => {
    expect((await client.send('GET', `${API}/cluster`, boss)).json).toMatchObject({ self: 'me' })
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
    { ttl_seconds: 60, role: 'emperor' },
    { ttl_seconds: 60, days: 0 },
    { ttl_seconds: 60, scope: ['../shop'] },
    { ttl_seconds: 60, rank: 'anchor' },
  ])('makes no invite of %j', async (body) => {
    expect((await client.send('POST', `${API}/cluster/invites`, { ...boss, body })).status).toBe(400)
  })
})

describe('links between sites', () => {
  const set = (url: string, body?: object) =>
    client.send(body ? 'PUT' : 'DELETE', `${API}/cluster/links/${url}`, { ...boss, ...(body && { body }) })

  test('are set by either order of their sites, field by field', async () => {
    asked.length = 0
    const said = { rate: 2_000_000, hours: 'mon-fri 22:00-06:00 UTC+01:00', budget: 50e9, forbidden: false }
    expect((await set('shop-7/hq', said)).status).toBe(200)
    expect((await set('hq/shop-7', { rate: null })).status).toBe(200)
    expect((await set('default', { forbidden: true })).status).toBe(200)
    expect((await set('hq/shop-7')).status).toBe(200)
    const nothing = '{"rate":null,"hours":null,"budget":null,"forbidden":null}'
    expect(asked).toEqual([
      `set hq/shop-7 ${JSON.stringify(said)}`,
      'set hq/shop-7 {"rate":null}',
      'set * {"forbidden":true}',
      `set hq/shop-7 ${nothing}`,
    ])
  })

  test.each([
    ['hq/hq', { rate: 20_000 }],
    ['hq/Shop', { rate: 20_000 }],
    ['hq/shop', { rate: 9_999 }],
    ['hq/shop', { rate: 20_000.5 }],
    ['hq/shop', { hours: 'at night' }],
    ['hq/shop', { budget: -1 }],
    ['hq/shop', { budget: 2 ** 60 }],
    ['hq/shop', { speed: 20_000 }],
  ])('take for %s no %j', async (url, body) => {
    expect((await set(url, body)).status).toBe(400)
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
    expect((await operator.send('GET', `${API}/cluster`)).json).toMatchObject({ self: 'me' })
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
  await host.site.commit(AUTHORITY, () => [
    op(
      'node.evicted',
      { node: guest.site.node, compromised: false, frontier: null, reason: '' },
      NODE_ITSELF.actor,
    ),
  ])
  await guest.site.learn(host.site)
  clock.advance(1001)
  const answer = await door.send('GET', '/readyz')
  expect(answer.status).toBe(503)
  expect(answer.json).toMatchObject({ status: 'unhealthy', components: [{ status: 'unhealthy' }, RECORDS] })
  expect((await door.send('GET', '/livez')).status).toBe(200)
})
