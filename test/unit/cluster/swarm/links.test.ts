import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { cargo, fleet, found, KiB, load, MiB, pull, read, SaidOfLinks, type Ship, sha256 } from './fleet.ts'

/** Paced transfers take their time, and more on a machine that is busy. */
vi.setConfig({ testTimeout: 120_000 })

const LINK = 'branch/hub'
const sent = (ship: Ship) => {
  const { torrent, direct } = ship.swarm.transfers()
  return torrent.bytesSent + direct.bytesSent
}
const failure = (pulling: Promise<unknown>) =>
  pulling.then(
    () => undefined,
    (error: unknown) => error as Error,
  )

/** Until some of it has gone over the link, or it has ended without. */
async function goesOver(hub: Ship, end: Promise<unknown> | undefined): Promise<void> {
  const ended = new AbortController()
  void (end ?? Promise.resolve()).finally(() => ended.abort())
  while (hub.crossed.of(LINK).sent < MiB && !ended.signal.aborted) await sleep(10)
}

async function twoSites(policy: Parameters<SaidOfLinks['say']>[1], now?: () => number) {
  const policies = new SaidOfLinks()
  policies.say(LINK, policy)
  const ships = (await fleet(
    { site: 'hub', policies, ...(now && { now }) },
    { site: 'branch', policies, ...(now && { now }) },
    { site: 'branch', policies, ...(now && { now }) },
  )) as [Ship, Ship, Ship]
  return { policies, ships }
}

describe('a forbidden link', () => {
  it.each([4 * MiB, 100 * KiB])(
    'carries no byte of a blob of %i bytes, and who wants one is told so',
    async (size) => {
      const { ships } = await twoSites({ forbidden: true })
      const [hub, branch] = ships
      const goods = cargo(size)
      await load(hub, goods)
      expect(await failure(branch.swarm.fetch(goods.digest))).toMatchObject({
        code: 'LINK_CLOSED',
        message: expect.stringContaining('flotilla links set branch hub --allow') as string,
      })
      expect(sent(hub)).toBe(0)
      for (const { crossed } of ships) expect(crossed.of(LINK)).toEqual({ sent: 0, received: 0 })
    },
  )

  it('is refused by who holds the blob as well, whatever the one that asks goes by', async () => {
    const policies = new SaidOfLinks()
    policies.say(LINK, { forbidden: true })
    const [hub, branch] = (await fleet({ site: 'hub', policies }, { site: 'branch' })) as [Ship, Ship]
    const goods = cargo(2 * MiB)
    await load(hub, goods)
    expect(await failure(pull(branch, goods.digest))).toMatchObject({
      code: 'LINK_CLOSED',
      facts: { link: LINK, because: 'forbidden', opensAt: null },
    })
    expect(sent(hub)).toBe(0)
  })

  it('keeps nobody from what is at the own site', async () => {
    const { ships } = await twoSites({ forbidden: true })
    const [hub, one, other] = ships
    const goods = cargo(4 * MiB)
    await load(hub, goods)
    await load(one, goods)
    expect(sha256(await pull(other, goods.digest))).toBe(goods.digest)
    expect(sent(hub)).toBe(0)
  })

  it('is open for what the records are made from, or no newcomer could come in beyond it', async () => {
    const policies = new SaidOfLinks()
    policies.say(LINK, { forbidden: true })
    const goods = cargo(2 * MiB)
    const isOfRecords = async (digest: string) => digest === goods.digest
    const ships = await fleet({ site: 'hub', policies, isOfRecords }, { site: 'branch', policies })
    const [hub, branch] = ships as [Ship, Ship]
    await load(hub, goods)
    expect(await failure(branch.swarm.fetch(goods.digest))).toMatchObject({ code: 'LINK_CLOSED' })
    await (await branch.swarm.fetch(goods.digest, undefined, { purpose: 'records' }))?.committed
    expect(await branch.blobs.stat(goods.digest)).toBeDefined()
    expect(hub.crossed.of(LINK).sent / goods.bytes.length).toBeLessThan(1.05)
  })

  it('ends what goes over it when it is forbidden', async () => {
    const { policies, ships } = await twoSites({ rate: 2 * MiB })
    const [hub, branch] = ships
    const goods = cargo(16 * MiB)
    await load(hub, goods)
    const pulling = failure(pull(branch, goods.digest))
    await goesOver(hub, pulling)
    policies.say(LINK, { forbidden: true })
    const before = sent(hub)
    expect(await pulling).toMatchObject({ code: 'LINK_CLOSED' })
    expect(sent(hub) - before).toBeLessThan(256 * KiB)
  })
})

describe('the rate of a link', () => {
  it.each([
    ['by torrent', 6 * MiB],
    ['by streams', 200 * KiB],
  ])('is kept %s', async (_, size) => {
    const rate = size / 3
    const { ships } = await twoSites({ rate })
    const [hub, branch] = ships
    const goods = cargo(size)
    await load(hub, goods)
    const began = performance.now()
    expect(sha256(await pull(branch, goods.digest))).toBe(goods.digest)
    const took = (performance.now() - began) / 1000
    // Three seconds, but for what may go at once.
    expect(took).toBeGreaterThan(2.4)
    const { sent: crossed } = hub.crossed.of(LINK)
    expect(crossed / took / rate).toBeLessThan(1.15)
    expect(branch.crossed.of(LINK).received).toBeGreaterThanOrEqual(size)
    expect(crossed / size).toBeLessThan(1.05)
  })

  it('holds up nobody at the own site', async () => {
    const { ships } = await twoSites({ rate: 50_000 })
    const [hub, one, other] = ships
    const [slow, quick] = [cargo(2 * MiB), cargo(8 * MiB)]
    await load(hub, slow)
    await load(one, quick)
    await load(one, slow)
    // A far one takes its time from the node that near ones take another blob from.
    const far = failure(pull(hub, quick.digest))
    const began = performance.now()
    expect(sha256(await pull(other, quick.digest))).toBe(quick.digest)
    expect((performance.now() - began) / 1000).toBeLessThan(quick.bytes.length / 50_000 / 4)
    await hub.sink()
    await far
  })

  it('is shared by the nodes of a site that send over it', async () => {
    const policies = new SaidOfLinks()
    const rate = 1.5 * MiB
    policies.say(LINK, { rate })
    const [one, two, taker] = (await fleet(
      { site: 'hub', policies },
      { site: 'hub', policies },
      { site: 'branch', policies },
    )) as [Ship, Ship, Ship]
    const goods = [cargo(3 * MiB), cargo(3 * MiB)] as const
    await load(one, goods[0])
    await load(two, goods[1])
    const began = performance.now()
    await Promise.all(goods.map(({ digest }) => pull(taker, digest)))
    const took = (performance.now() - began) / 1000
    const crossed = one.crossed.of(LINK).sent + two.crossed.of(LINK).sent
    expect(crossed / took / rate).toBeLessThan(1.3)
  })
})

describe('the budget of a link', () => {
  it('ends what goes over it once it is spent, and says until when', async () => {
    const budget = 3 * MiB
    const { ships } = await twoSites({ budget, rate: 4 * MiB })
    const [hub, branch] = ships
    const goods = cargo(12 * MiB)
    await load(hub, goods)
    const error = await failure(pull(branch, goods.digest))
    expect(error).toMatchObject({
      code: 'LINK_CLOSED',
      facts: { because: 'budget', opensAt: expect.stringMatching(/-01T00:00:00.000Z$/) as string },
    })
    const { sent: crossed } = hub.crossed.of(LINK)
    expect(crossed / budget).toBeLessThan(1.1)
    expect(crossed / budget).toBeGreaterThan(0.99)
  })

  it('makes it the last choice: what a link without one carries does not go over it', async () => {
    const policies = new SaidOfLinks()
    policies.say(LINK, { budget: 100 * MiB })
    const [metered, free, branch] = (await fleet(
      { site: 'hub', policies },
      { site: 'port', policies },
      { site: 'branch', policies },
    )) as [Ship, Ship, Ship]
    const goods = [cargo(6 * MiB), cargo(100 * KiB)]
    for (const one of goods) {
      await load(metered, one)
      await load(free, one)
      expect(sha256(await pull(branch, one.digest))).toBe(one.digest)
    }
    expect(sent(metered)).toBe(0)
    expect(branch.crossed.of('branch/port').received).toBeGreaterThan(6 * MiB)
  })
})

describe('the hours of a link', () => {
  const night = Date.UTC(2026, 10, 20, 23)
  const noon = Date.UTC(2026, 10, 20, 12)
  const hours = '22:00-06:00'

  it('hold for what nobody waits for, which is told when they begin', async () => {
    let now = noon
    const { ships } = await twoSites({ hours }, () => now)
    const [hub, branch] = ships
    const goods = cargo(2 * MiB)
    await load(hub, goods)
    expect(await failure(branch.swarm.fetch(goods.digest, undefined, { purpose: 'bulk' }))).toMatchObject({
      code: 'LINK_CLOSED',
      facts: { because: 'hours', opensAt: '2026-11-20T22:00:00.000Z' },
    })
    expect(sent(hub)).toBe(0)
    now = night
    await (await branch.swarm.fetch(goods.digest, undefined, { purpose: 'bulk' }))?.committed
    expect(await branch.blobs.stat(goods.digest)).toBeDefined()
  })

  it('do not hold for what a client waits for', async () => {
    const { ships } = await twoSites({ hours }, () => noon)
    const [hub, branch] = ships
    const goods = cargo(2 * MiB)
    await load(hub, goods)
    expect(sha256(await pull(branch, goods.digest))).toBe(goods.digest)
  })

  it.each([
    ['ends when they end', false, 'LINK_CLOSED'],
    ['goes on when they end while a client waits for it', true, 'done'],
  ])('bulk %s', async (_, waits, expected) => {
    let now = night
    const { policies, ships } = await twoSites({ hours, rate: 2 * MiB }, () => now)
    const [hub, branch] = ships
    const goods = cargo(6 * MiB)
    await load(hub, goods)
    const bulk = await branch.swarm.fetch(goods.digest, undefined, { purpose: 'bulk' })
    const end = bulk?.committed.then(
      () => 'done',
      (error: { code: string }) => error.code,
    )
    await goesOver(hub, end)
    const client = waits ? await found(branch, goods.digest) : undefined
    now = noon
    policies.say(LINK, { hours, rate: 2 * MiB })
    if (client) expect(sha256(await read(client.stream()))).toBe(goods.digest)
    expect(await end).toBe(expected)
  })
})
