import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { API_ROUTES } from '../../src/http/api/api.ts'
import { ADMIN_PASSWORD, type Client, originAndReplica, serve, type TestNode, user } from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

/**
 * Harbor's CVE-2022-31666 to -31671 and CVE-2024-22278 were routes that asked too little of somebody. Here is
 * every route with every kind of caller, on the node that was written to and on one that learned of it.
 */
const clock = new HandClock()
const sites = new Sites(clock)
const nodes = new Map<string, { node: TestNode; client: Client }>()

/**
 * Columns: anonymous · a user who administers another project · a guest of the project · its administrator ·
 * an administrator of the system. 1: 401, 3: 403, 4: 404 (for them there is no such thing), +: let in.
 */
const MATRIX: Readonly<Record<string, string>> = {
  'GET /ping': '+++++',
  'GET /health': '+++++',
  'GET /systeminfo': '+++++',
  'GET /users': '1333+',
  'POST /users': '1333+',
  'GET /users/current': '1++++',
  'GET /users/search': '1++++',
  'GET /users/:user_id': '1333+',
  'PUT /users/:user_id': '1333+',
  'DELETE /users/:user_id': '1333+',
  'PUT /users/:user_id/password': '1333+',
  'PUT /users/:user_id/sysadmin': '1333+',
  'GET /projects': '+++++',
  'HEAD /projects': '14+++',
  'POST /projects': '1++++',
  'GET /projects/:project': '14+++',
  'PUT /projects/:project': '143++',
  'DELETE /projects/:project': '143++',
  'GET /projects/:project/summary': '14+++',
  'GET /projects/:project/repositories': '14+++',
  'GET /projects/:project/members': '14+++',
  'POST /projects/:project/members': '143++',
  'GET /projects/:project/members/:mid': '14+++',
  'PUT /projects/:project/members/:mid': '143++',
  'DELETE /projects/:project/members/:mid': '143++',
  'GET /conflicts': '1333+',
  'POST /conflicts/:conflict/repair': '1333+',
  'GET /projects/:project/conflicts': '143++',
  'POST /projects/:project/conflicts/:conflict/repair': '143++',
  'GET /cluster': '1333+',
  'POST /cluster/invites': '1333+',
  'DELETE /cluster/members/:node': '1333+',
  'GET /cluster/invites': '1333+',
  'DELETE /cluster/invites/:invite': '1333+',
  'POST /cluster/members/:node/approval': '1333+',
  'GET /cluster/members/:node/review': '1333+',
  'POST /cluster/members/:node/eviction': '1333+',
  'GET /cluster/storage-check': '1333+',
  'POST /cluster/storage-check': '1333+',
  'GET /cluster/placement': '1333+',
  'GET /cluster/blobs/:digest': '1333+',
  'POST /cluster/network-key': '1333+',
  'GET /cluster/links': '1333+',
  'PUT /cluster/links/default': '1333+',
  'DELETE /cluster/links/default': '1333+',
  'PUT /cluster/links/:site/:other': '1333+',
  'DELETE /cluster/links/:site/:other': '1333+',
  'POST /cluster/recovery/challenge': '1333+',
  'POST /cluster/recovery': '1333+',
  'POST /cluster/leave': '1333+',
  'GET /cluster/handover': '1333+',
  'POST /cluster/handover': '1333+',
}
const COLUMNS = [
  {},
  { as: 'other' },
  { as: 'guest' },
  { as: 'owner' },
  { as: 'admin', password: ADMIN_PASSWORD },
]
const QUERIES: Readonly<Record<string, string>> = {
  'HEAD /projects': '?project_name=closed',
  'GET /users/search': '?username=x',
}

beforeAll(async () => {
  const { origin, replica } = await originAndReplica(sites, async (node) => {
    const [owner, guest, other] = [
      await user(node, 'owner'),
      await user(node, 'guest'),
      await user(node, 'other'),
    ]
    const { id } = await node.projects.create({ name: 'closed' }, owner.id, NODE_ITSELF)
    await node.members.add(id, guest.id, 3, NODE_ITSELF)
    await node.projects.create({ name: 'others' }, other.id, NODE_ITSELF)
    const gone = await user(node, 'gone')
    await node.members.add(id, gone.id, 1, NODE_ITSELF)
    await node.accounts.delete(gone.id, NODE_ITSELF)
  })
  for (const [name, node] of Object.entries({ origin, replica })) {
    nodes.set(name, { node, client: await serve(sites, node) })
  }
})
afterAll(() => sites.close())

let victims = 0

/** Somewhere for the request to go; what may be destroyed by it is made for it. */
async function target(node: TestNode, url: string): Promise<string> {
  const guest = await user(node, `victim${++victims}`)
  const project = node.projects.find('closed') as { id: string }
  const destroyed = url.includes('/members/:mid')
  const member = destroyed ? await node.members.add(project.id, guest.id, 5, NODE_ITSELF) : undefined
  return url
    .replace(':user_id', String(guest.number))
    .replace(':project', 'closed')
    .replace(':mid', String(member?.number))
    .replace(':node', 'a'.repeat(32))
    .replace(':invite', 'i1')
    .replace(':site/:other', 'hq/shop-7')
    .replace(':digest', `sha256:${'d'.repeat(64)}`)
    .replace(':conflict', 'c'.repeat(22))
}

async function outcome(place: string, route: string, who: object): Promise<string> {
  const { node, client } = nodes.get(place) as { node: TestNode; client: Client }
  const [method = '', url = ''] = route.split(' ')
  const path = await target(node, url)
  // A project that is let go of has to come back for the next row.
  const keep = route === 'DELETE /projects/:project' ? node.projects.find('closed') : undefined
  const bodied = method === 'POST' || method === 'PUT'
  const { status } = await client.send(method, `/api/v2.0${path}${QUERIES[route] ?? ''}`, {
    ...who,
    ...(bodied && { body: { nothing: 'anybody expects' } }),
  })
  if (keep && !node.projects.find('closed')) await recreate(node)
  return status === 401 ? '1' : status === 403 ? '3' : status === 404 ? '4' : '+'
}

async function recreate(node: TestNode): Promise<void> {
  const owner = node.accounts.byName('owner') as { id: string }
  const guest = node.accounts.byName('guest') as { id: string }
  const { id } = await node.projects.create({ name: 'closed' }, owner.id, NODE_ITSELF)
  await node.members.add(id, guest.id, 3, NODE_ITSELF)
}

test('sec-2: every route has its row', () => {
  expect(API_ROUTES.map(({ method, url }) => `${method} ${url}`).toSorted()).toEqual(
    Object.keys(MATRIX).toSorted(),
  )
})

describe.each(['origin', 'replica'])('sec-2, sec-3 on the %s', (place) => {
  test.each(Object.entries(MATRIX))('%s lets in %s', async (route, expected) => {
    let seen = ''
    for (const who of COLUMNS) seen += await outcome(place, route, who)
    expect(seen).toBe(expected)
  })

  test.each(Object.keys(MATRIX))('%s is nothing to a user who was deleted', async (route) => {
    // Long enough for the last wrong log-in to be forgotten.
    clock.advance(16 * 60_000)
    const open = API_ROUTES.some(
      ({ method, url, policy }) => `${method} ${url}` === route && policy === 'anyone',
    )
    expect(await outcome(place, route, { as: 'gone' })).toBe(open ? '+' : '1')
  })
})
