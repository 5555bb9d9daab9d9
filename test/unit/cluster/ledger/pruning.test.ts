import { expect, test } from 'vitest'
import { part } from '../../../../cluster/ledger/snapshots/lane-position.ts'
import { isExpired } from '../../../../cluster/ledger/snapshots/retention.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { CATALOG, type Lane, trailLane } from '../../../../src/journal/op.ts'
import { type ArmedShip, arm, armedFleet, armedNewcomer, BUSY, moor, STILL, signers } from './armed.ts'
import { agree, cut } from './harbour.ts'
import { openSite, write } from './shipyard.ts'

const within = { timeout: 20_000, interval: 20 }
const VOUCHING = { ...STILL, checkMs: 50 }

/** How many blocks of the feed are here. */
function held(ship: ArmedShip, author: ArmedShip): number {
  const feed = `${CATALOG}@${author.identity.id}`
  const seq = ship.journal.frontier()[feed] ?? 0
  return Array.from({ length: seq }, (_, n) => ship.journal.lanes.blockAt(feed, n + 1)).filter(Boolean).length
}

async function blobCount(blobs: ArmedShip['blobs']): Promise<number> {
  let count = 0
  for await (const _ of blobs.list()) count++
  return count
}

async function three(): Promise<{
  plan: Awaited<ReturnType<typeof armedFleet>>['plan']
  a: ArmedShip
  b: ArmedShip
  c: ArmedShip
}> {
  const { plan, ships } = await armedFleet(3, VOUCHING)
  const [a, b, c] = ships as [ArmedShip, ArmedShip, ArmedShip]
  moor(a, b, c)
  await Promise.all([write(a, 20, 'a'), write(b, 20, 'b')])
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  return { plan, a, b, c }
}

test('nothing is pruned that a member may still ask for', { timeout: 60_000 }, async () => {
  const { a, b, c } = await three()
  cut([c], [a, b])
  await expect.poll(() => c.host.connected(), within).toEqual([])
  await write(a, 5, 'apart')
  const id = await a.replication.snapshot(CATALOG)
  await expect.poll(() => signers(a, id), within).toBeGreaterThanOrEqual(2)
  await expect.poll(() => agree(a, b), within).toBe(true)
  expect(await a.replication.prune()).toEqual([])
  expect(held(a, a)).toBe(25)
  moor(a, b, c)
  // It stands at the same place now, and vouches too.
  await expect.poll(() => signers(a, id), within).toBe(3)
  await write(c, 5, 'c')
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  // Known from where each stood at the last comparison.
  await expect.poll(() => a.replication.prune(), within).toEqual([CATALOG])
  expect(held(a, a)).toBe(1)
  // What was written behind it is all there.
  expect(held(a, c)).toBe(5)
  expect(a.journal.stateHash()).toBe(c.journal.stateHash())
})

test('after pruning members restart, replicate on, and take newcomers in', async () => {
  const { plan, a, b, c } = await three()
  const id = await a.replication.snapshot(CATALOG)
  await expect.poll(() => signers(a, id), within).toBe(3)
  for (const ship of [a, b, c]) await expect.poll(() => ship.replication.prune(), within).toEqual([CATALOG])
  await a.sink()
  const site = await openSite(plan, { identity: a.identity, directory: a.directory })
  const back = await arm(plan, site, VOUCHING, a.hold)
  expect(back.journal.status().lanes.find(({ lane }) => lane === CATALOG)).toMatchObject({
    entries: 40,
    pruned: { entries: 38, snapshot: id },
  })
  moor(back, b, c)
  await Promise.all([write(back, 5, 'again'), write(b, 5, 'b-again')])
  await expect.poll(() => agree(back, b, c), within).toBe(true)
  const newcomer = await armedNewcomer(plan, back)
  moor(back, b, c, newcomer)
  // Its log cannot be had any more, however small the lane.
  await expect.poll(() => agree(back, b, c, newcomer), within).toBe(true)
  // Gossip may overtake what tells it who is a member; nothing else is refused.
  const { AUTHOR_UNKNOWN: _, ...refused } = newcomer.journal.status().refused
  expect(refused).toEqual({})
  expect(held(newcomer, back)).toBe(6)
})

test('a member the others have gone on without comes by the snapshot, with what it wrote itself', async () => {
  const { plan, a, b } = await three()
  const id = await a.replication.snapshot(CATALOG)
  await expect.poll(() => signers(a, id), within).toBe(3)
  for (const ship of [a, b]) await expect.poll(() => ship.replication.prune(), within).toEqual([CATALOG])
  const late = await armedNewcomer(plan, a, STILL, true)
  // It never saw the lane and writes all the same; then finds that its beginning is gone everywhere.
  await write(late, 3, 'late')
  moor(a, b, late)
  await expect.poll(() => agree(a, b, late), within).toBe(true)
  expect(a.journal.frontier()).toMatchObject({ [`${CATALOG}@${late.identity.id}`]: 3 })
  await write(late, 2, 'later')
  await expect.poll(() => agree(a, b, late), within).toBe(true)
})

test('members at work snapshot, vouch and prune by themselves', async () => {
  const { ships } = await armedFleet(3, BUSY)
  const [a, b, c] = ships as [ArmedShip, ArmedShip, ArmedShip]
  moor(a, b, c)
  for (let round = 0; round < 4; round++) {
    await Promise.all([write(a, 8, `a${round}`), write(b, 8, `b${round}`)])
    await expect.poll(() => agree(a, b, c), within).toBe(true)
  }
  await expect
    .poll(() => [a, b, c].map((ship) => held(ship, a)).every((blocks) => blocks < 32), within)
    .toBe(true)
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  // Blobs of superseded snapshots go as well: the newest two stay, and what a floor stands on.
  for (const { blobs } of [a, b, c]) {
    await expect.poll(() => blobCount(blobs), within).toBeLessThanOrEqual(3)
  }
})

const event = { action: 'pull', resource: 'app', client: null, outcome: 'done' } as const

async function eventsAt(ship: ArmedShip): Promise<string[]> {
  const events: string[] = []
  for await (const { key } of ship.journal.tables.list('events')) events.push(key)
  return events
}

test('a month of trail is let go whole, is not fetched again, and those who have it not agree', async () => {
  const { ships } = await armedFleet(2)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  const lane = trailLane('system', Date.now())
  for (let n = 0; n < 5; n++) await a.journal.commit(lane, () => [op('event.recorded', event, 'node')])
  await write(b, 3)
  await expect.poll(() => agree(a, b), within).toBe(true)
  await a.journal.lanes.drop(lane)
  expect(await eventsAt(a)).toEqual([])
  expect(a.journal.lanes.blockAt(`${lane}@${a.identity.id}`, 4)).toBeUndefined()
  await a.replication.catchUp(b.identity.id, AbortSignal.timeout(5_000))
  expect(await eventsAt(a)).toEqual([])
  expect(agree(a, b)).toBe(false)
  await b.journal.lanes.drop(lane)
  expect(agree(a, b)).toBe(true)
})

test('what is past its time is not taken in from a member that still has it', async () => {
  const lane: Lane = 'trail/system/2020-01'
  expect(isExpired(lane, Date.UTC(2021, 0, 31), 12)).toBe(false)
  expect(isExpired(lane, Date.UTC(2021, 1, 1), 12)).toBe(true)
  expect(isExpired(CATALOG, Date.UTC(2090, 1, 1), 12)).toBe(false)
  const { ships } = await armedFleet(2)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  for (let n = 0; n < 5; n++) await a.journal.commit(lane, () => [op('event.recorded', event, 'node')])
  moor(a, b)
  await write(a, 1)
  await expect.poll(() => part(b.journal.frontier(), CATALOG), within).not.toEqual({})
  expect(await eventsAt(b)).toEqual([])
  expect(part(b.journal.frontier(), lane)).toEqual({})
  await a.replication.prune()
  expect(agree(a, b)).toBe(true)
})
