import { expect } from 'vitest'
import { isPublic } from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, VERDICTS } from '../../../src/journal/op.ts'
import { catalogAt, DIGESTS, manifestOp } from './content.ts'
import { NODES } from './founding.ts'
import { scenario } from './scenario.ts'

const [ONE, TWO] = DIGESTS

function to(shop: string, actor: string, digest: (typeof DIGESTS)[number], tag = 'v1') {
  return op('tag.moved', { projectId: shop, path: 'app', tag, digest }, actor)
}

scenario(11, async ({ a, b, shop, root, write, hear, meet }) => {
  await write(a, AUTHORITY, op('quota.set', { project: shop, limit: 100 }, root))
  await write(a, AUTHORITY, op('quota.moved', { project: shop, to: NODES[1], bytes: 60 }, 'node'))
  await hear(b, a)
  // Its own door refuses what the node does not have.
  const more = op('quota.moved', { project: shop, to: NODES[2], bytes: 41 }, 'node')
  expect(await a.commit(AUTHORITY, more)).toBeUndefined()
  await write(a, AUTHORITY, op('quota.moved', { project: shop, to: NODES[2], bytes: 40 }, 'node'))
  await write(b, AUTHORITY, op('quota.moved', { project: shop, to: NODES[2], bytes: 10 }, 'node'))
  const row = (await meet()).tables.get('quotas', shop)
  expect(row).toMatchObject({ limit: 100, rights: { [NODES[0]]: 0, [NODES[1]]: 50, [NODES[2]]: 50 } })
})

scenario(12, async ({ a, b, shop, erin, write, meet }) => {
  await write(a, CATALOG, to(shop, erin, ONE))
  await write(b, CATALOG, to(shop, erin, TWO))
  const outcome = await meet()
  const values = outcome.tables.get('tags', `${shop}/app\u0000v1`)?.values.map(({ value }) => value)
  expect(new Set(values)).toEqual(new Set([ONE, TWO]))
  for (const digest of [ONE, TWO]) {
    expect(outcome.tables.get('tagged', `${shop}/app\u0000${digest}\u0000v1`)).toEqual({ tag: 'v1' })
  }
})

scenario(13, async ({ a, b, c, shop, carol, erin, write, hear, meet }) => {
  const rule = (mode: 'available' | 'strict', home: string | null) =>
    op('immutability.set', { project: shop, mode, home, frontier: catalogAt(a) }, carol)
  const everybodyHears = async () => {
    await hear(b, a)
    await hear(c, a)
  }
  await write(a, AUTHORITY, rule('available', null))
  await everybodyHears()
  const apart = [await write(a, CATALOG, to(shop, erin, ONE)), await write(b, CATALOG, to(shop, erin, TWO))]
  const available = await meet()
  const values = available.tables.get('tags', `${shop}/app\u0000v1`)?.values.map(({ id }) => id) ?? []
  expect(values).toHaveLength(1)
  const flagged = apart.filter(
    (id) => available.tables.get('ineffective', `catalog/${id}`)?.reason === 'immutable',
  )
  expect([...flagged, ...values].sort()).toEqual(apart.sort())

  await write(a, AUTHORITY, rule('strict', NODES[0]))
  await everybodyHears()
  expect(await b.commit(CATALOG, to(shop, erin, TWO, 'v2'))).toBeUndefined()
  const first = await write(a, CATALOG, to(shop, erin, ONE, 'v2'))
  const strict = await meet()
  expect(strict.tables.get('tags', `${shop}/app\u0000v2`)?.values.map(({ id }) => id)).toEqual([first])
})

scenario(14, async ({ a, b, shop, carol, erin, write, hear, meet }) => {
  await write(a, CATALOG, to(shop, erin, ONE))
  await hear(b, a)
  await write(
    a,
    AUTHORITY,
    op('immutability.set', { project: shop, mode: 'available', home: null, frontier: catalogAt(a) }, carol),
  )
  await write(b, CATALOG, to(shop, erin, TWO))
  await write(
    a,
    AUTHORITY,
    op('project.metadata-set', { project: shop, metadata: { public: 'false' } }, carol),
  )
  await write(b, AUTHORITY, op('project.metadata-set', { project: shop, metadata: { public: 'true' } }, erin))
  const outcome = await meet()
  expect(outcome.tables.get('tags', `${shop}/app\u0000v1`)?.values.map(({ value }) => value)).toEqual([ONE])
  const row = outcome.tables.get('projects', shop)
  expect(row && isPublic(outcome.tables, row)).toBe(false)
})

scenario(15, async ({ a, b, shop, erin, write, hear, meet }) => {
  const place = { projectId: shop, path: 'app' }
  const push = [
    op('blob.linked', { ...place, digest: TWO, size: 7 }, erin),
    manifestOp(shop, erin, ONE, [TWO]),
  ]
  await write(a, CATALOG, ...push)
  await hear(b, a)
  await write(
    a,
    CATALOG,
    op('manifest.deleted', { ...place, digest: ONE }, erin),
    op('blob.unlinked', { ...place, digest: TWO }, erin),
  )
  await write(b, CATALOG, ...push)
  const { tables } = await meet()
  expect(tables.get('manifests', `${shop}/app\u0000${ONE}`)?.puts).toHaveLength(1)
  expect(tables.get('links', `${shop}/app\u0000${TWO}`)?.size).toBe(7)
})

scenario(24, async ({ a, b, write, meet }) => {
  const found = (severity: 'low' | 'critical') =>
    op(
      'verdict.recorded',
      { digest: ONE, scanner: 's', database: '2026-01', severity, counts: { [severity]: 1 }, report: null },
      'node',
    )
  await write(a, VERDICTS, found('low'))
  await write(b, VERDICTS, found('critical'))
  const row = (await meet()).tables.get('verdicts', `${ONE}\u0000s\u00002026-01`)
  expect(new Set(row?.found.map(({ value }) => value.severity))).toEqual(new Set(['low', 'critical']))
})
