import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import type { Conflict } from '../../../../src/conflicts/conflict.ts'
import { conflictShape } from '../../../../src/http/api/conflict-shape.ts'
import {
  ADMIN_PASSWORD,
  type Answer,
  type Client,
  serve,
  type TestNode,
  user,
} from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'
import { BLUE, meet, push, RED, twoSites } from '../../conflicts/apart.ts'

const clock = new HandClock()
const sites = new Sites(clock)
let east: TestNode
let west: TestNode
let client: Client
const boss = { as: 'admin', password: ADMIN_PASSWORD }
const API = '/api/v2.0'
const items = (answer: Answer) => answer.json as Record<string, unknown>[]

/** Two tags of `shop` and one of `library`, moved at both sites. */
beforeAll(async () => {
  ;({ east, west } = await twoSites(sites))
  const [owner, dev] = [await user(east, 'owner'), await user(east, 'dev')]
  const shop = await east.projects.create({ name: 'shop' }, owner.id, NODE_ITSELF)
  await east.members.add(shop.id, dev.id, 2, NODE_ITSELF)
  await meet({ east, west })
  const library = east.projects.find('library')?.id as string
  for (const [project, tag] of [
    [shop.id, 'v1'],
    [shop.id, 'v2'],
    [library, 'v3'],
  ] as const) {
    clock.advance(60_000)
    await push(east, project, tag, RED)
    await push(west, project, tag, BLUE)
  }
  await meet({ east, west })
  client = await serve(sites, east)
})
afterAll(() => sites.close())

const idOf = async (about: string): Promise<string> =>
  items(await client.send('GET', `${API}/conflicts?page_size=100`, boss)).find(
    (one) => one['about'] === about,
  )?.['id'] as string

describe('conflicts', () => {
  test('of a kind there is none of are refused with the kinds there are', async () => {
    const { status, text } = await client.send('GET', `${API}/conflicts?kind=nokind`, boss)
    expect(status).toBe(400)
    expect(text).toContain('kind is none of the kinds of records')
    expect(text).toContain('user.renamed')
  })

  test('come newest first, in pages as Harbor’s lists do', async () => {
    const first = await client.send('GET', `${API}/conflicts?page_size=2`, boss)
    expect(first.status).toBe(200)
    expect(items(first).map((one) => one['about'])).toEqual(['library/web:v3', 'shop/web:v2'])
    expect(first.headers['x-total-count']).toBe('3')
    expect(first.headers['link']).toBe(`<${API}/conflicts?page_size=2&page=2>; rel="next"`)
    const second = await client.send('GET', `${API}/conflicts?page_size=2&page=2`, boss)
    expect(items(second).map((one) => one['about'])).toEqual(['shop/web:v1'])
    expect(second.headers['link']).toContain('rel="prev"')
  })

  test('say everything a person needs, in people’s names, and nothing else', async () => {
    const [found] = items(await client.send('GET', `${API}/conflicts?page_size=1`, boss))
    const deed = { actor: 'node', node: 'n', site: 's', time: expect.any(String) }
    expect(found).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      kind: 'tag.moved',
      about: 'library/web:v3',
      project: 'library',
      repository: 'library/web',
      tag: 'v3',
      digest: expect.stringMatching(/^sha256:/),
      reason: 'tag',
      text: 'the tag was moved at another site at the same time',
      outcome: 'lost',
      ...deed,
      beaten_by: { id: expect.any(String), ...deed },
      open: true,
      repair: { action: 'take', needs: [], advice: null },
      values: [
        { id: expect.any(String), digest: expect.stringMatching(/^sha256:/), ...deed },
        { id: found?.['id'], digest: expect.stringMatching(/^sha256:/), ...deed },
      ],
    })
  })

  test.each([
    ['kind=tag.moved', 3],
    ['kind=user.created', 0],
    ['outcome=lost', 3],
    ['outcome=refused', 0],
    ['site=s', 3],
    ['open=true', 3],
    ['open=false', 0],
    ['since=2026-11-20T12:02:30Z', 1],
  ])('are narrowed down by %s to %i', async (query, count) => {
    const answer = await client.send('GET', `${API}/conflicts?${query}`, boss)
    expect([answer.status, answer.headers['x-total-count']]).toEqual([200, String(count)])
  })

  test('at a site or node there is not are refused with those there are', async () => {
    const { status, text } = await client.send('GET', `${API}/conflicts?site=nosuch`, boss)
    expect(status).toBe(400)
    expect(text).toContain('no node and no site is called nosuch; there are: n (s), n (s)')
    // By a node's id, too, whatever it wrote.
    const { json } = await client.send('GET', `${API}/conflicts?site=${east.site.node}`, boss)
    expect(Array.isArray(json)).toBe(true)
  })

  test.each(['outcome=won', 'since=yesterday', 'open=maybe', 'page=0', 'page=999999999'])(
    'are not asked for with %s',
    async (query) => {
      expect((await client.send('GET', `${API}/conflicts?${query}`, boss)).status).toBe(400)
    },
  )

  test('of a project are its administrator’s to see, those of others are not among them', async () => {
    const own = await client.send('GET', `${API}/projects/shop/conflicts`, { as: 'owner' })
    expect(items(own).map((one) => one['about'])).toEqual(['shop/web:v2', 'shop/web:v1'])
    expect((await client.send('GET', `${API}/projects/shop/conflicts`, { as: 'dev' })).status).toBe(403)
    expect((await client.send('GET', `${API}/projects/library/conflicts`, { as: 'owner' })).status).toBe(403)
    expect((await client.send('GET', `${API}/conflicts`, { as: 'owner' })).status).toBe(403)
  })
})

test('what they are about is told in a few words, with what it would change', () => {
  const deed = { id: 'x', actor: 'anna', node: 'n', site: 's', time: 0 }
  const about = (what: Conflict['about']) => {
    const remedy = { open: false, action: null, needs: [], advice: null }
    const named = { id: 'x', kind: 'k', project: null, image: null }
    const facts = { ...named, reason: 'form', text: 't', outcome: 'lost' } as const
    return conflictShape({ ...facts, about: what, deed, beatenBy: null, values: [], fields: [], remedy })
  }
  const texts = [
    about({ what: 'user', user: 'carl', admin: null }),
    about({ what: 'user', user: 'carl', admin: true }),
    about({ what: 'user', user: 'carl', admin: false }),
    about({ what: 'project', project: 'shop', settings: { public: 'true', severity: 'low' } }),
    about({ what: 'member', project: 'shop', user: 'bob', role: 4 }),
    about({ what: 'member', project: 'shop', user: 'bob', role: null }),
    about({ what: 'quota', project: 'shop' }),
    about({ what: 'node', node: 'south' }),
    about({ what: 'tag', project: 'shop', path: 'web', tag: 'v1', digest: 'sha256:abc' }),
    about({ what: 'record', record: 'network:abc' }),
  ].map((shape) => (shape as { about: string }).about)
  expect(texts).toEqual([
    'user carl',
    'user carl (administrator)',
    'user carl (no administrator)',
    'project shop (public=true, severity=low)',
    'bob in shop as maintainer',
    'bob in shop',
    'quota of shop',
    'node south',
    'shop/web:v1@sha256:abc',
    'network:abc',
  ])
})

test('the status of the cluster tells how many are open', async () => {
  const { status, json } = await client.send('GET', `${API}/cluster`, boss)
  expect([status, (json as { conflicts: unknown }).conflicts]).toEqual([200, { open: 3, more: false }])
})

test('a field is told with what it was filled in with, long texts cut short in the list', () => {
  const deed = { id: 'x', actor: 'anna', node: 'n', site: 's', time: 0 }
  const values = [
    { ...deed, id: 'y', value: 'b'.repeat(50) },
    { ...deed, value: 'anna@example.org' },
  ]
  const shape = conflictShape({
    id: 'x',
    kind: 'user.profile-set',
    about: { what: 'user', user: 'anna', admin: null },
    image: null,
    project: null,
    reason: 'field',
    text: 't',
    outcome: 'lost',
    deed,
    beatenBy: null,
    values: [],
    fields: [{ field: 'comment', values }],
    remedy: { open: true, action: 'take', needs: [], advice: null },
  })
  expect(shape).toMatchObject({
    about: `user anna, comment "anna@example.org" (counts: "${'b'.repeat(40)}…")`,
    fields: [{ field: 'comment', values: [{ id: 'y', value: 'b'.repeat(50) }, { id: 'x' }] }],
  })
  expect(shape).not.toHaveProperty('values')
})

describe('mending', () => {
  test('is for who may do the thing itself: another project’s conflict is none of this one', async () => {
    const [v1, v3] = [await idOf('shop/web:v1'), await idOf('library/web:v3')]
    const mend = async (path: string, as: string, body: unknown = { action: 'take' }) =>
      (await client.send('POST', `${API}${path}/repair`, { as, body })).status
    expect(await mend(`/projects/shop/conflicts/${v3}`, 'owner')).toBe(404)
    expect(await mend(`/conflicts/${v3}`, 'owner')).toBe(403)
    expect(await mend(`/projects/shop/conflicts/${v1}`, 'dev')).toBe(403)
    expect(await mend(`/projects/shop/conflicts/${v1}`, 'owner', { action: 'win' })).toBe(400)
    expect(await mend(`/projects/shop/conflicts/${v1}`, 'owner', { action: 'approve' })).toBe(412)
    expect(await mend(`/projects/shop/conflicts/${v1}`, 'owner', { action: 'rename', name: 'x' })).toBe(412)
    expect(await mend(`/projects/shop/conflicts/${'c'.repeat(22)}`, 'owner')).toBe(404)
    expect(await mend(`/projects/shop/conflicts/x`, 'owner')).toBe(400)
    expect((await client.send('GET', `${API}/conflicts`, boss)).headers['x-total-count']).toBe('3')

    expect(await mend(`/projects/shop/conflicts/${v1}`, 'owner')).toBe(200)
    expect(await mend(`/projects/shop/conflicts/${v1}`, 'owner')).toBe(404)
    expect((await client.send('GET', `${API}/conflicts`, boss)).headers['x-total-count']).toBe('2')
  })

  test('is taken from no other site’s page', async () => {
    const id = await idOf('library/web:v3')
    const headers = { 'sec-fetch-site': 'cross-site' }
    const sent = { ...boss, headers, body: { action: 'keep' } }
    expect((await client.send('POST', `${API}/conflicts/${id}/repair`, sent)).status).toBe(403)
    const kept = await client.send('POST', `${API}/conflicts/${id}/repair`, {
      ...boss,
      body: { action: 'keep' },
    })
    expect(kept.status).toBe(200)
  })
})
