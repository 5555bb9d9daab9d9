import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import { registryRoutes } from '../../../../src/http/oci/routes.ts'
import { createRegistry } from '../../../../src/registry/registry.ts'
import {
  ADMIN_PASSWORD,
  type Answer,
  type Client,
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
beforeAll(async () => {
  node = await founded(sites)
  // The registry's own door stands in front, and nothing behind it is reached by these requests.
  const parts = { journal: node.site, blobs: undefined, uploads: undefined, source: undefined } as never
  client = await serve(sites, node, [registryRoutes({ registry: createRegistry(parts), access: node.door })])
  const dev = await user(node, 'dev')
  const { id } = await node.projects.create({ name: 'closed' }, dev.id, NODE_ITSELF)
  const guest = await user(node, 'guest')
  await node.members.add(id, guest.id, 3, NODE_ITSELF)
})
afterAll(() => sites.close())

const SERVICE = '/service/token?service=harbor-registry'
interface Token {
  token: string
  access_token: string
  expires_in: number
  issued_at: string
}
function claims(answer: Answer): { sub: string; access: { name: string; actions: string[] }[] } {
  const { token } = answer.json as Token
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
}
const form = (fields: Record<string, string>) => ({
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
})

describe('asked by GET', () => {
  test('it gives a token in the form docker reads, under both of its names', async () => {
    const answer = await client.send('GET', `${SERVICE}&account=dev&scope=repository:closed/app:pull`, {
      as: 'dev',
    })
    const body = answer.json as Token
    expect(answer.status).toBe(200)
    expect(body.access_token).toBe(body.token)
    expect(body.expires_in).toBe(1800)
    expect(new Date(body.issued_at).getTime()).toBe(clock.now())
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  test('it says all the caller may do there, whatever they asked for', async () => {
    const scope = '&scope=repository:closed/app:pull'
    const actions = async (who: object) =>
      claims(await client.send('GET', SERVICE + scope, who)).access.map((one) => one.actions)
    expect(await actions({ as: 'dev' })).toEqual([['pull', 'push', 'delete']])
    expect(await actions({ as: 'guest' })).toEqual([['pull']])
    expect(await actions({})).toEqual([[]])
  })

  test('it takes scopes repeated and with spaces between, and nothing for what there is not', async () => {
    const query =
      '&scope=repository:closed/a:pull%20repository:library/b:pull&scope=repository:nowhere/c:push'
    expect(claims(await client.send('GET', SERVICE + query, { as: 'guest' })).access).toEqual([
      { type: 'repository', name: 'closed/a', actions: ['pull'] },
      { type: 'repository', name: 'library/b', actions: ['pull'] },
      { type: 'repository', name: 'nowhere/c', actions: [] },
    ])
  })

  test('the catalog is the administrators’', async () => {
    const query = `${SERVICE}&scope=registry:catalog:*`
    const admin = await client.send('GET', query, { as: 'admin', password: ADMIN_PASSWORD })
    expect(claims(admin).access).toEqual([{ type: 'registry', name: 'catalog', actions: ['*'] }])
    expect(claims(await client.send('GET', query, { as: 'dev' })).access).toMatchObject([{ actions: [] }])
  })

  test.each([
    ['another service', '/service/token?service=harbor-notary&scope=repository:library/a:pull', {}, 400],
    ['no service', '/service/token?scope=repository:library/a:pull', {}, 400],
    ['nobody, for nothing', SERVICE, {}, 401],
    ['a log-in, for nothing', SERVICE, { as: 'dev' }, 200],
    ['nobody, for something', `${SERVICE}&scope=repository:library/a:pull`, {}, 200],
    ['a wrong password', SERVICE, { as: 'dev', password: 'Wrong-1-wrong' }, 401],
    ['a name there is not', SERVICE, { as: 'nobody' }, 401],
    ['something else than a password', SERVICE, { headers: { authorization: 'Bearer x' } }, 401],
    ['too many scopes', `${SERVICE}&scope=${'repository:a/b:pull+'.repeat(33)}`, {}, 400],
  ])('%s: %s', async (_what, url, who, status) => {
    expect((await client.send('GET', url, who)).status).toBe(status)
  })
})

describe('asked by an OAuth 2 form', () => {
  const grant = { grant_type: 'password', service: 'harbor-registry', client_id: 'docker', username: 'dev' }
  test('it gives the same token', async () => {
    const fields = { ...grant, password: PASSWORD, scope: 'repository:closed/app:pull,push' }
    const answer = await client.send('POST', '/service/token', form(fields))
    expect(answer.status).toBe(200)
    expect(claims(answer)).toMatchObject({ sub: 'dev', access: [{ name: 'closed/app' }] })
    expect(answer.json).toMatchObject({
      scope: 'repository:closed/app:pull,push,delete',
      token_type: 'Bearer',
    })
  })

  test('it gives none for a wrong password, another grant or another form', async () => {
    const post = async (sent: object) => (await client.send('POST', '/service/token', sent)).status
    expect(await post(form({ ...grant, password: 'Wrong-1-wrong' }))).toBe(401)
    expect(await post(form(grant))).toBe(401)
    expect(await post(form({ ...grant, grant_type: 'refresh_token' }))).toBe(400)
    expect(await post({ body: { ...grant, password: PASSWORD } })).toBe(415)
  })
})

test('the whole way of a client: challenged, a token fetched where it was told, let in with it', async () => {
  const first = await client.send('GET', '/v2/closed/app/tags/list')
  const challenge = first.headers['www-authenticate'] as string
  const [, realm, service, scope] = /^Bearer realm="(.*)",service="(.*)",scope="(.*)"$/.exec(challenge) ?? []
  expect(realm).toBe(`${client.origin}/service/token`)
  const url = `${new URL(realm as string).pathname}?service=${service}&scope=${scope}`
  const { token } = (await client.send('GET', url, { as: 'guest' })).json as Token
  const headers = { authorization: `Bearer ${token}` }
  // There is no such repository yet: whoever is told that has been let in.
  expect(await client.send('GET', '/v2/closed/app/tags/list', { headers })).toMatchObject({
    status: 404,
    code: 'NAME_UNKNOWN',
  })
  expect(await client.send('DELETE', `/v2/closed/app/manifests/latest`, { headers })).toMatchObject({
    status: 403,
    code: 'DENIED',
  })
  expect((await client.send('GET', '/v2/', { headers })).status).toBe(200)
})

test('too many wrong passwords from one place are told to wait, at either door', async () => {
  for (let n = 0; n < 6; n++) {
    await client.send('GET', SERVICE, { as: 'victim', password: `Wrong-${n}` })
  }
  const answer = await client.send('GET', SERVICE, { as: 'victim', password: 'Wrong-7' })
  expect([answer.status, answer.headers['retry-after']]).toEqual([429, '1'])
  expect((await client.send('GET', '/v2/', { as: 'victim', password: 'Wrong-8' })).status).toBe(429)
})
