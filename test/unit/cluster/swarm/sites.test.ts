import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Cargo, cargo, fleet, load, MiB, pull, type Ship, sha256 } from './fleet.ts'

const HUB = { site: 'hub', uploadBytesPerSecond: 6e6 }
const BRANCH = { site: 'branch' }

const sent = (ship: Ship) => {
  const { torrent, direct } = ship.swarm.transfers()
  return torrent.bytesSent + direct.bytesSent
}

async function allPull(ships: readonly Ship[], { digest }: Cargo): Promise<void> {
  const pulled = await Promise.all(ships.map((ship) => pull(ship, digest)))
  for (const bytes of pulled) expect(sha256(bytes)).toBe(digest)
}

describe('two sites', () => {
  it('carry one copy over the link between them, however many nodes of the other site pull at once', async () => {
    const [origin, ...branch] = await fleet(HUB, BRANCH, BRANCH, BRANCH, BRANCH)
    const goods = cargo(16 * MiB)
    await load(origin!, goods)
    await allPull(branch, goods)
    expect(sent(origin!) / goods.bytes.length).toBeLessThan(1.05)
  })

  it('begin with the piece a reader waits for, over the stream that was asked for the hashes', async () => {
    const [origin, far, near] = await fleet(HUB, BRANCH, HUB)
    const goods = cargo(4 * MiB)
    await load(origin!, goods)
    await allPull([far!, near!], goods)
    const received = (ship: Ship) => ship.swarm.transfers().direct.bytesReceived
    expect([received(far!), received(near!)]).toEqual([MiB / 4, 0])
    expect(sent(origin!) + sent(near!) + sent(far!)).toBe(2 * goods.bytes.length)
  })

  it('carry one copy also when the nodes come one after the other', async () => {
    const [origin, ...branch] = await fleet(HUB, BRANCH, BRANCH, BRANCH)
    const goods = cargo(12 * MiB)
    await load(origin!, goods)
    const pulls = branch.map(async (ship, index) => {
      await sleep(index * 400)
      expect(sha256(await pull(ship, goods.digest))).toBe(goods.digest)
    })
    await Promise.all(pulls)
    expect(sent(origin!) / goods.bytes.length).toBeLessThan(1.05)
  })

  it('take nothing over the link that is at the own site', async () => {
    const [origin, one, ...rest] = await fleet(HUB, BRANCH, BRANCH, BRANCH)
    const goods = cargo(4 * MiB)
    await load(origin!, goods)
    await load(one!, goods)
    await allPull(rest, goods)
    expect(sent(origin!)).toBe(0)
  })

  it('finish when the one that fetches over the link dies half-way', async () => {
    const [origin, ...branch] = await fleet(HUB, BRANCH, BRANCH, BRANCH)
    const goods = cargo(24 * MiB)
    await load(origin!, goods)
    const received = (ship: Ship) => ship.swarm.transfers().torrent.bytesReceived
    const fromOrigin = (ship: Ship) =>
      received(ship) - others(branch, ship).reduce((sum, one) => sum + sent(one), 0)
    const pulls = branch.map((ship) => pull(ship, goods.digest).then(sha256, () => 'died'))
    while (sent(origin!) < goods.bytes.length / 2) await sleep(20)
    const ingress = branch.toSorted((a, b) => fromOrigin(b) - fromOrigin(a))[0]
    await ingress!.sink()
    const ends = await Promise.all(pulls)
    expect(ends.filter((end) => end === goods.digest).length).toBeGreaterThanOrEqual(2)
    // What the dead one had and nobody else crosses again, and no more than that.
    expect(sent(origin!) / goods.bytes.length).toBeLessThan(1.35)
  })
})

function others(ships: readonly Ship[], ship: Ship): Ship[] {
  return ships.filter((one) => one !== ship)
}
