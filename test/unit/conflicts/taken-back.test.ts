import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acting } from '../../../src/access/decide.ts'
import { registryRoutes } from '../../../src/http/oci/routes.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../src/journal/op.ts'
import { createRegistry } from '../../../src/registry/registry.ts'
import { ADMIN_PASSWORD, assemble, serve, type TestNode } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { BLUE, list, meet, only, principalOf, push, RED, twoSites } from './apart.ts'

let clock: HandClock
let sites: Sites
let east: TestNode
let west: TestNode
let library: string

beforeEach(async () => {
  clock = new HandClock()
  sites = new Sites(clock)
  ;({ east, west } = await twoSites(sites))
  library = east.projects.find('library')?.id as string
  await meet({ east, west })
})
afterEach(() => sites.close())

/** West turns out to have been stolen; nothing of what it wrote counts. */
async function evictWest(reason = ''): Promise<void> {
  const body = { node: west.site.node, compromised: true, frontier: {}, reason }
  await east.site.commit(AUTHORITY, () => [op('node.evicted', body, principalOf(east, 'admin').id)])
  await expect.poll(() => east.site.tables.get('manifests', `${library}/web\u0000${RED}`)).toBeUndefined()
}

/** Both moved it; east, asked, lets what west pushed stand. */
async function settleForWest(tag: string): Promise<void> {
  const found = (await list(east)).find(({ about }) => 'tag' in about && about.tag === tag)
  const action = found?.values[0]?.digest === RED ? 'keep' : 'take'
  await east.api.repairs.repair(found?.id as string, { action }, (demand) =>
    acting(principalOf(east, 'admin'), demand),
  )
}

const byTheNode = (node: TestNode, ...moves: [tag: string, digest: typeof RED][]) =>
  node.site.commit(CATALOG, () =>
    moves.map(([tag, digest]) => op('tag.moved', { projectId: library, path: 'web', tag, digest }, 'node')),
  )

test('what an eviction took back is named: project, repository, tag and digest, and why it was put out', async () => {
  await push(west, library, 'v1', RED)
  const place = { projectId: library, path: 'web' }
  await west.site.commit(CATALOG, () => [
    op('blob.linked', { ...place, digest: BLUE, size: 1 }, 'node'),
    op('tag.deleted', { ...place, tag: 'v0' }, 'node'),
  ])
  await meet({ east, west })
  await evictWest('stolen at the fair')
  const found = await list(east, { outcome: 'refused' })
  expect(
    Object.fromEntries(found.map(({ kind, about, image, project }) => [kind, [about, image, project]])),
  ).toEqual({
    'tag.moved': [
      { what: 'tag', project: 'library', path: 'web', tag: 'v1', digest: RED.slice(0, 19) },
      { repository: 'library/web', tag: 'v1', digest: RED },
      'library',
    ],
    'tag.deleted': [
      { what: 'tag', project: 'library', path: 'web', tag: 'v0' },
      { repository: 'library/web', tag: 'v0', digest: null },
      'library',
    ],
    'manifest.put': [
      { what: 'record', record: `library/web@${RED.slice(0, 19)}` },
      { repository: 'library/web', tag: null, digest: RED },
      'library',
    ],
    'blob.linked': [
      { what: 'record', record: `library/web@${BLUE.slice(0, 19)}` },
      { repository: 'library/web', tag: null, digest: BLUE },
      'library',
    ],
  })
  for (const one of found) {
    expect(one).toMatchObject({ reason: 'evicted', beatenBy: { actor: 'admin', why: 'stolen at the fair' } })
    expect(await east.api.conflicts.find(one.id, library)).toEqual(one)
  }
  // Its project's administrators see it, those of another do not.
  expect(await list(east, { project: library })).toHaveLength(4)
  expect(await list(east, { project: 'x'.repeat(22) })).toEqual([])
})

describe('a tag somebody said again, whose manifest was taken back', () => {
  beforeEach(async () => {
    await push(west, library, 'v1', RED)
    await push(east, library, 'v1', BLUE)
    await meet({ east, west })
    clock.advance(60_000)
    await settleForWest('v1')
    expect(await list(east)).toEqual([])
  })

  test('is listed as pointing at nothing, with who says it, what took the manifest, and what to do', async () => {
    await evictWest('stolen')
    const found = await only(east, { open: true })
    expect(found).toMatchObject({
      kind: 'tag.moved',
      reason: 'dangling',
      about: { what: 'tag', project: 'library', path: 'web', tag: 'v1', digest: RED.slice(0, 19) },
      image: { repository: 'library/web', tag: 'v1', digest: RED },
      project: 'library',
      deed: { actor: 'admin', time: clock.now() },
      beatenBy: { actor: 'admin', why: 'stolen' },
      remedy: { open: true, action: null, advice: 'push it again, or delete the tag' },
    })
    expect(await only(east, { open: true, project: library })).toEqual(found)
    expect(await east.api.conflicts.find(found.id)).toEqual(found)
    expect(await east.api.conflicts.countOpen()).toEqual({ open: 1, more: false })
    await expect(
      east.api.repairs.repair(found.id, { action: 'take' }, (demand) =>
        acting(principalOf(east, 'admin'), demand),
      ),
    ).rejects.toMatchObject({
      code: 'PRECONDITION',
      message: expect.stringContaining(found.remedy.advice as string),
    })
  })

  test('is found as well among many that point at something', async () => {
    await east.site.commit(CATALOG, () => {
      const place = { projectId: library, path: 'web', digest: BLUE }
      return Array.from({ length: 30 }, (_, at) => op('tag.moved', { ...place, tag: `t${at}` }, 'node'))
    })
    await byTheNode(east, ['v2', RED])
    await evictWest()
    const found = await list(east, { open: true })
    expect(
      found.map(({ reason, image }) => `${reason} ${image?.tag}`).sort((a, b) => (a < b ? -1 : 1)),
    ).toEqual(['dangling v1', 'dangling v2'])
  })

  test('is not there for who pulls it: 404 MANIFEST_UNKNOWN, by tag and by digest', async () => {
    const parts = { journal: east.site, blobs: undefined, uploads: undefined, source: undefined } as never
    const routes = registryRoutes({ registry: createRegistry(parts), access: east.door })
    const client = await serve(sites, east, [routes])
    const boss = { as: 'admin', password: ADMIN_PASSWORD }
    const { json } = await client.send(
      'GET',
      '/service/token?service=harbor-registry&scope=repository:library/web:pull',
      boss,
    )
    const headers = { authorization: `Bearer ${(json as { token: string }).token}` }
    const path = '/v2/library/web/manifests'
    expect((await client.send('HEAD', `${path}/v1`, { headers })).status).toBe(200)
    await evictWest()
    for (const reference of ['v1', RED]) {
      const { status, code } = await client.send('GET', `${path}/${reference}`, { headers })
      expect([reference, status, code]).toEqual([reference, 404, 'MANIFEST_UNKNOWN'])
      expect((await client.send('HEAD', `${path}/${reference}`, { headers })).status).toBe(404)
    }
  })

  test.each([
    ['pushed again', () => push(east, library, 'v9', RED)],
    ['moved', () => byTheNode(east, ['v1', BLUE])],
    [
      'deleted',
      () =>
        east.site.commit(CATALOG, () => [
          op('tag.deleted', { projectId: library, path: 'web', tag: 'v1' }, 'node'),
        ]),
    ],
    [
      'gone with its project',
      () => east.site.commit(AUTHORITY, () => [op('project.deleted', { project: library }, 'node')]),
    ],
  ] as const)('leaves the list once it is %s', async (_, mend) => {
    await evictWest()
    expect(await list(east, { open: true })).toHaveLength(1)
    await mend()
    expect(await list(east, { open: true })).toEqual([])
    expect(await east.api.conflicts.countOpen()).toEqual({ open: 0, more: false })
  })

  test('that has another value says so, and that value can be taken', async () => {
    const south = assemble(await sites.admit(east.site), sites)
    await south.site.learn(east.site)
    await push(south, library, 'v1', BLUE)
    // Said deeper in the order of causes, so that it counts.
    await byTheNode(east, ['other', RED])
    await byTheNode(east, ['v1', RED])
    await east.site.learn(south.site)
    await evictWest()
    const found = await list(east, { open: true, kind: 'tag.moved' })
    expect(found.map(({ reason, about }) => [reason, 'tag' in about && about.tag])).toEqual(
      expect.arrayContaining([
        ['tag', 'v1'],
        ['dangling', 'v1'],
        ['dangling', 'other'],
      ]),
    )
    expect(found).toHaveLength(3)
    const [other, dangling] = [
      found.find(({ reason }) => reason === 'tag'),
      found.find(({ reason, about }) => reason === 'dangling' && 'tag' in about && about.tag === 'v1'),
    ]
    expect(dangling?.remedy.advice).toContain('--take another of its values')
    await east.api.repairs.repair(other?.id as string, { action: 'take' }, (demand) =>
      acting(principalOf(east, 'admin'), demand),
    )
    expect((await list(east, { open: true })).map(({ about }) => 'tag' in about && about.tag)).toEqual([
      'other',
    ])
  })
})
