import { describe, expect, onTestFinished, test } from 'vitest'
import { Placement } from '../../../../cluster/placement/placement.ts'
import { Residency } from '../../../../cluster/placement/residency.ts'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import { founded, type TestNode } from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'
import { runtime } from '../network/cast.ts'
import { type Cargo, cargo, fleet, KiB, load, MiB, type Ship } from '../swarm/fleet.ts'
import { link, project, recordsOf } from './shore.ts'

let node: TestNode
let ships: Ship[]
let placements: Placement[]

/** Ships at three sites, whose records are the same at every moment. */
async function setOut(): Promise<void> {
  const sites = new Sites(new HandClock())
  onTestFinished(() => sites.close())
  node = await founded(sites)
  ships = await fleet({ site: 'a' }, { site: 'b' }, { site: 'c' })
  const residencies: Residency[] = []
  placements = ships.map(({ host, roster, blobs, swarm }) => {
    const records = { ...recordsOf(node.site), node: host.self }
    const residency = new Residency(records)
    residencies.push(residency)
    const { log: logger, ...time } = runtime
    return new Placement({ records, roster, network: host, residency, blobs, swarm, logger, ...time })
  })
  for (const room of [...residencies, ...placements]) {
    await room.start()
    onTestFinished(() => room.stop())
  }
}

async function holders({ digest }: Cargo): Promise<string[]> {
  const held = await Promise.all(ships.map(({ blobs }) => blobs.stat(digest)))
  return ships.flatMap(({ name }, index) => (held[index] ? [name] : []))
}

function putOut(gone: Ship | undefined): void {
  for (const { roster } of ships) roster.put(gone?.host.self ?? '', { state: 'evicted' })
}

test('what a project wants everywhere is fetched by every site as its record comes, large and small', async () => {
  await setOut()
  const shop = await project(node, 'shop', { placement: 'everywhere' })
  for (const goods of [cargo(10 * KiB), cargo(2 * MiB)]) {
    await load(ships[0]!, goods)
    await link(node.site, shop, goods.digest)
    await expect.poll(() => holders(goods), { timeout: 20_000 }).toHaveLength(3)
  }
}, 120_000)

test('nothing is fetched for a project that asks for nothing; once it does, what it has by then is', async () => {
  await setOut()
  const shop = await project(node, 'shop', {})
  const [goods, later] = [cargo(10 * KiB), cargo(10 * KiB)]
  await load(ships[0]!, goods)
  await link(node.site, shop, goods.digest)
  const other = await project(node, 'other', { placement: 'everywhere' })
  await load(ships[0]!, later)
  await link(node.site, other, later.digest)
  await expect.poll(() => holders(later), { timeout: 20_000 }).toHaveLength(3)
  expect(await holders(goods)).toEqual(['ship-1'])
  await node.projects.update(shop, [['placement', 'everywhere']], NODE_ITSELF)
  await expect.poll(() => holders(goods), { timeout: 20_000 }).toHaveLength(3)
}, 120_000)

test('a copy is made anew when the member that kept it is put out', async () => {
  await setOut()
  const { view } = placements[0]!
  const shop = await project(node, 'shop', { placement: 'sites:2' })
  const goods = cargo(10 * KiB)
  await load(ships[0]!, goods)
  await link(node.site, shop, goods.digest)
  const copies = async () =>
    (await view.where(goods.digest)).members.filter(
      ({ should, have }) => should === 'keep' && have === 'whole',
    )
  const settled = [expect.objectContaining({ wanted: 1, placed: 1 }), expect.objectContaining({ placed: 1 })]
  const counted = async () => (await view.status()).projects[0]?.sites
  await expect.poll(counted, { timeout: 20_000 }).toEqual(settled)
  const keeper = (await copies()).find(({ name }) => name !== 'ship-1')
  putOut(ships.find(({ name }) => name === keeper?.name))
  await expect.poll(copies, { timeout: 20_000 }).toHaveLength(2)
  expect((await copies()).map(({ name }) => name)).not.toContain(keeper?.name)
  await expect.poll(counted, { timeout: 20_000 }).toEqual(settled)
}, 120_000)

describe('a push that is to be held by two sites', () => {
  test('is answered when another one has it whole', async () => {
    await setOut()
    const safe = await project(node, 'safe', { durability: '2' })
    const goods = cargo(2 * MiB)
    await load(ships[0]!, goods)
    await link(node.site, safe, goods.digest)
    const push = placements[0]!.durability.begin(`${safe}/app`)
    expect(await push.bytes([goods.digest])).toBeUndefined()
    expect((await holders(goods)).length).toBeGreaterThanOrEqual(2)
    expect(await push.records([goods.digest])).toBeUndefined()
  }, 120_000)

  test('is told how many there were, where the others do not come in time', async () => {
    await setOut()
    const safe = await project(node, 'safe', { durability: '3', durability_wait: '2' })
    const goods = cargo(10 * KiB)
    await load(ships[0]!, goods)
    await link(node.site, safe, goods.digest)
    await ships[2]!.sink()
    const push = placements[0]!.durability.begin(`${safe}/app`)
    const short = await push.bytes([goods.digest])
    expect(short).toEqual({ sites: 2, wanted: 3, waitMs: 2000 })
  }, 120_000)

  test('goes to another site where the first in turn does not answer', async () => {
    await setOut()
    const safe = await project(node, 'safe', { durability: '2', durability_wait: '20' })
    const goods = cargo(10 * KiB)
    await load(ships[0]!, goods)
    await link(node.site, safe, goods.digest)
    await ships[1]!.sink()
    const push = placements[0]!.durability.begin(`${safe}/app`)
    expect(await push.bytes([goods.digest])).toBeUndefined()
    expect(await holders(goods)).toEqual(['ship-1', 'ship-3'])
  }, 120_000)
})

test('who leaves is told what is nowhere else, and others fetch it before', async () => {
  await setOut()
  const { handover } = placements[0]!
  const shop = await project(node, 'shop', {})
  const [lonely, shared] = [cargo(2 * MiB), cargo(10 * KiB)]
  for (const goods of [lonely, shared]) {
    await load(ships[0]!, goods)
    await link(node.site, shop, goods.digest)
  }
  await load(ships[1]!, shared)
  await expect(handover.over()).rejects.toMatchObject({
    code: 'LAST_COPIES',
    facts: { blobs: 1 },
  })
  expect(handover.begin()).toMatchObject({ running: true })
  await expect.poll(() => handover.status(), { timeout: 20_000 }).toMatchObject({ running: false })
  expect(handover.status()).toMatchObject({
    blobs: 1,
    handed: 1,
    failed: 0,
  })
  expect(await holders(lonely)).toHaveLength(2)
  await handover.over()
}, 120_000)

test('a last copy that nobody else may have stays where it is, and is told of', async () => {
  await setOut()
  const { handover } = placements[0]!
  const shop = await project(node, 'shop', { residency: 'a' })
  const goods = cargo(10 * KiB)
  await load(ships[0]!, goods)
  await link(node.site, shop, goods.digest)
  handover.begin()
  await expect
    .poll(() => handover.status(), { timeout: 20_000 })
    .toMatchObject({ running: false, blobs: 1, failed: 1 })
  await expect(handover.over()).rejects.toMatchObject({ code: 'LAST_COPIES' })
  expect(await holders(goods)).toEqual(['ship-1'])
}, 120_000)
