import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { op } from '../../../../src/journal/kinds.ts'
import { CATALOG } from '../../../../src/journal/op.ts'
import {
  ADMIN_PASSWORD,
  type Answer,
  type Client,
  founded,
  serve,
  type TestNode,
  user,
} from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'

const sites = new Sites(new HandClock())
let node: TestNode
let client: Client
const boss = { as: 'admin', password: ADMIN_PASSWORD }
beforeAll(async () => {
  node = await founded(sites)
  client = await serve(sites, node)
  for (const name of ['alice', 'bob', 'carol', 'dave']) await user(node, name)
})
afterAll(() => sites.close())

const API = '/api/v2.0'
const items = (answer: Answer) => answer.json as Record<string, unknown>[]
const thing = (answer: Answer) => answer.json as Record<string, unknown>
const numberOf = (name: string) => node.accounts.byName(name)?.number as number

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
