import { expect, test } from 'vitest'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { agree, armada, connect, cut, launch } from './harbour.ts'
import { admit, fleet, newIdentity, openSite, type Site, tag, user, write } from './shipyard.ts'

const within = { timeout: 15_000, interval: 20 }

test('what each of three members writes appears at the others', async () => {
  const { ships } = await armada(3)
  connect(...ships)
  await Promise.all(ships.map((ship, n) => write(ship, 20, `from-${n}`)))
  await Promise.all(ships.map((ship, n) => ship.journal.commit(AUTHORITY, () => [user(`user-${n}`)])))
  await expect.poll(() => agree(...ships), within).toBe(true)
  for (const { journal } of ships) {
    expect(journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000from-2-19`)?.values).toHaveLength(1)
    expect(journal.frontier()).toMatchObject({ [`${CATALOG}@${ships[1]?.identity.id}`]: 20 })
  }
})

test('a write is elsewhere within a fraction of a second, by gossip', async () => {
  const { ships } = await armada(2)
  connect(...ships)
  const [a, b] = ships as [(typeof ships)[0], (typeof ships)[0]]
  await expect.poll(() => agree(a, b), within).toBe(true)
  const delays: number[] = []
  for (let n = 0; n < 30; n++) {
    const arrived = new Promise<void>((resolve) => {
      const stop = b.journal.onChange(() => {
        stop()
        resolve()
      })
    })
    const startedAt = performance.now()
    await a.journal.commit(CATALOG, () => [tag(`t${n}`)])
    await arrived
    delays.push(performance.now() - startedAt)
  }
  // The first ones may still have travelled by catching up, before the gossip mesh stands.
  expect(delays.sort((x, y) => x - y)[15]).toBeLessThan(500)
})

test('after a partition both sides have everything, without anybody writing anything', async () => {
  const { ships } = await armada(3)
  connect(...ships)
  await expect.poll(() => agree(...ships), within).toBe(true)
  const [a, b, c] = ships as [(typeof ships)[0], (typeof ships)[0], (typeof ships)[0]]
  cut([a], [b, c])
  await expect.poll(() => a.host.connected(), within).toEqual([])
  await Promise.all([write(a, 10, 'left'), write(b, 10, 'right'), write(c, 10, 'right-too')])
  await Promise.all([a, b].map(({ journal }, n) => journal.commit(CATALOG, () => [tag('latest', String(n))])))
  expect(agree(a, b)).toBe(false)
  connect(...ships)
  await expect.poll(() => agree(...ships), within).toBe(true)
  // Neither side's move of the tag is lost.
  for (const { journal } of ships) {
    expect(journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000latest`)?.values).toHaveLength(2)
  }
})

test('a newcomer has 5,000 records of three authors within seconds', async () => {
  const { plan, founder, others } = await fleet(2)
  const sites = [founder, ...others]
  for (let round = 0; round < 9; round++) {
    for (const site of sites) {
      site.blocks.length = 0
      const name = (n: number) => `${round}-${site.identity.id}-${n}`
      for (let n = 0; n < 186; n += 31) {
        const numbers = Array.from({ length: 31 }, (_, one) => n + one)
        await Promise.all(numbers.map((one) => site.journal.commit(CATALOG, () => [tag(name(one))])))
      }
    }
    for (const site of sites) for (const from of sites) await site.journal.take(from.blocks, 'x')
  }
  expect(founder.journal.status().entries).toBeGreaterThan(160)
  const late = newIdentity()
  await admit(founder, late.id)
  const [a, b] = [await launch(plan, founder), await launch(plan, await openSite(plan, { identity: late }))]
  const startedAt = performance.now()
  connect(a, b)
  await expect.poll(() => agree(a, b), { interval: 20, timeout: 30_000 }).toBe(true)
  expect(performance.now() - startedAt).toBeLessThan(15_000)
  expect(await count(b)).toBe(5_022)
}, 60_000)

async function count(site: Site): Promise<number> {
  let tags = 0
  for await (const _ of site.journal.tables.list('tags')) tags++
  return tags
}

test('a member that was away and restarts catches up and goes on writing', async () => {
  const { plan, ships } = await armada(2)
  connect(...ships)
  const [a, b] = ships as [(typeof ships)[0], (typeof ships)[0]]
  await write(b, 3, 'before')
  await expect.poll(() => agree(a, b), within).toBe(true)
  await b.sink()
  await write(a, 5, 'meanwhile')
  const back = await launch(plan, await openSite(plan, { identity: b.identity, directory: b.directory }))
  connect(a, back)
  await write(back, 3, 'after')
  await expect.poll(() => agree(a, back), within).toBe(true)
  expect(a.journal.frontier()).toMatchObject({ [`${CATALOG}@${b.identity.id}`]: 6 })
})

test('each member can say how the others stand', async () => {
  const { ships } = await armada(2)
  const [a, b] = ships as [(typeof ships)[0], (typeof ships)[0]]
  expect(a.replication.peers()).toEqual(new Map())
  connect(a, b)
  const standing = () => a.replication.peers().get(b.host.self)
  await expect
    .poll(standing, within)
    .toMatchObject({ sync: 'in-sync', lagEntries: 0, stateHash: a.journal.stateHash() })
  expect(standing()?.lastExchangeMs).toBeLessThan(10_000)
  // What is known stays known, and grows old, while the link is down.
  cut([a], [b])
  await expect.poll(() => a.host.connected(), within).toEqual([])
  await expect.poll(() => standing()?.lastExchangeMs ?? 0, within).toBeGreaterThan(10)
})
