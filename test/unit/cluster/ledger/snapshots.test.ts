import { expect, test } from 'vitest'
import { part, positionHash } from '../../../../cluster/ledger/snapshots/lane-position.ts'
import { writeSnapshot } from '../../../../cluster/ledger/snapshots/snapshot-form.ts'
import { op } from '../../../../src/journal/kinds.ts'
import type { RawRow } from '../../../../src/journal/lane-rows.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { parseDigest } from '../../../../src/oci/digest.ts'
import {
  type ArmedShip,
  arm,
  armedFleet,
  armedNewcomer,
  bytesOf,
  moor,
  STILL,
  signers,
  stow,
  withoutHeader,
} from './armed.ts'
import { agree } from './harbour.ts'
import { openSite, tag, write } from './shipyard.ts'

const within = { timeout: 15_000, interval: 20 }
const VOUCHING = { ...STILL, checkMs: 50 }
const EAGER = { ...STILL, worthEntries: 5 }

/** Two members with records of both, and a snapshot both vouch for. */
async function vouched(entries = 30): Promise<{ plan: ArmedPlan; a: ArmedShip; b: ArmedShip; id: string }> {
  const { plan, ships } = await armedFleet(2, VOUCHING)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await Promise.all([write(a, entries, 'a'), write(b, entries, 'b')])
  await expect.poll(() => agree(a, b), within).toBe(true)
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => signers(a, id), within).toBe(2)
  return { plan, a, b, id }
}
type ArmedPlan = Awaited<ReturnType<typeof armedFleet>>['plan']

test('two members that hold the same records write down the same bytes', async () => {
  const { ships } = await armedFleet(2)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await Promise.all([write(a, 40, 'a'), write(b, 40, 'b')])
  await expect.poll(() => agree(a, b), within).toBe(true)
  const first = await a.replication.snapshot(CATALOG)
  const second = await b.replication.snapshot(CATALOG)
  await expect.poll(() => agree(a, b), within).toBe(true)
  const [one, two] = [first, second].map((id) => a.journal.tables.get('snapshots', id as string))
  // The header says under which authority the rows were made; that had moved on by the first one's own op.
  expect(two?.stateHash).toBe(one?.stateHash)
  const bodies = await Promise.all([bytesOf(a, one?.digest ?? ''), bytesOf(b, two?.digest ?? '')])
  expect(bodies.map(withoutHeader)[1]).toEqual(bodies.map(withoutHeader)[0])
})

test('a newcomer takes the snapshot two members vouch for, then the tail, and holds what they hold', async () => {
  const { plan, a, b } = await vouched(60)
  await write(b, 7, 'tail')
  const c = await armedNewcomer(plan, a, EAGER)
  moor(a, b, c)
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  // It has the newest entry the snapshot stands for, and none before.
  const feed = `${CATALOG}@${a.identity.id}`
  expect(c.journal.lanes.blockAt(feed, 60)).toBeDefined()
  expect(c.journal.lanes.blockAt(feed, 59)).toBeUndefined()
  expect(c.replication.snapshots.refused).toEqual({})
  // And goes on as any member.
  await write(c, 3, 'c')
  await write(a, 3, 'more')
  await expect.poll(() => agree(a, b, c), within).toBe(true)
})

test('a snapshot whose rows are not those that were signed is refused, and the log used instead', async () => {
  const { plan, ships } = await armedFleet(2)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await write(a, 30, 'a')
  await expect.poll(() => agree(a, b), within).toBe(true)
  const { position, rows } = await a.journal.lanes.capture(CATALOG)
  const block = ({ feed, seq }: { feed: string; seq: number }) =>
    a.journal.lanes.blockAt(feed, seq) as Uint8Array
  const bytes = await stow(a, writeSnapshot(plan.clusterId, position, block, tampered(rows)))
  const body = { ...bytes, lane: CATALOG, authority: position.authority, stateHash: positionHash(position) }
  const frontier = part(a.journal.frontier(), CATALOG)
  const { ids } = await a.journal.commit(AUTHORITY, () => [
    op('lane.snapshotted', { ...body, frontier }, 'node'),
  ])
  await expect.poll(() => agree(a, b), within).toBe(true)
  await b.journal.commit(AUTHORITY, () => [op('lane.attested', { snapshot: ids[0] as string }, 'node')])
  await expect.poll(() => agree(a, b), within).toBe(true)
  const c = await armedNewcomer(plan, a, EAGER)
  moor(a, b, c)
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  expect(c.replication.snapshots.refused).toEqual({ SNAPSHOT_INVALID: 1 })
  expect(c.journal.lanes.blockAt(`${CATALOG}@${a.identity.id}`, 1)).toBeDefined()
})

test('nobody vouches for a snapshot whose bytes are not what its op says, though the hash is the true one', async () => {
  const { plan, ships } = await armedFleet(2, { ...STILL, checkMs: 50 })
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await write(a, 10, 'a')
  await expect.poll(() => agree(a, b), within).toBe(true)
  const { position, rows } = await a.journal.lanes.capture(CATALOG)
  const block = ({ feed, seq }: { feed: string; seq: number }) =>
    a.journal.lanes.blockAt(feed, seq) as Uint8Array
  const bytes = await stow(a, writeSnapshot(plan.clusterId, position, block, tampered(rows)))
  const body = { ...bytes, lane: CATALOG, authority: position.authority, stateHash: positionHash(position) }
  const frontier = part(a.journal.frontier(), CATALOG)
  const { ids } = await a.journal.commit(AUTHORITY, () => [
    op('lane.snapshotted', { ...body, frontier }, 'node'),
  ])
  // Two true ones after it: by the time the second is vouched for, all there were have been looked at.
  for (const round of ['one', 'two']) {
    await write(a, 1, round)
    await expect.poll(() => agree(a, b), within).toBe(true)
    const id = await a.replication.snapshot(CATALOG)
    await expect.poll(() => a.journal.tables.get('snapshots', id as string)?.signers.length, within).toBe(2)
  }
  expect(b.journal.tables.get('snapshots', ids[0] as string)?.signers).toEqual([a.identity.id])
})

/** One row says something else. */
async function* tampered(rows: AsyncIterable<RawRow>): AsyncGenerator<RawRow> {
  let first = true
  for await (const row of rows) {
    const bytes = first ? Uint8Array.from([...row.bytes.subarray(0, -1), 0x01]) : row.bytes
    first = false
    yield { ...row, bytes }
  }
}

test('a snapshot with another hash than was signed is refused before any of it is used', async () => {
  const { plan, a, b, id } = await vouched()
  const good = a.journal.tables.get('snapshots', id)
  if (!good) throw new Error('no snapshot')
  const { lane, frontier, authority, digest, bytes } = good
  const stateHash = 'f'.repeat(64)
  const body = { lane, frontier, authority, digest: parseDigest(digest), bytes, stateHash }
  const { ids } = await a.journal.commit(AUTHORITY, () => [op('lane.snapshotted', body, 'node')])
  await expect.poll(() => agree(a, b), within).toBe(true)
  await b.journal.commit(AUTHORITY, () => [op('lane.attested', { snapshot: ids[0] as string }, 'node')])
  const c = await armedNewcomer(plan, a, EAGER)
  moor(a, b, c)
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  // The older, honest one is used.
  expect(c.replication.snapshots.refused).toEqual({ SNAPSHOT_INVALID: 1 })
  expect(c.journal.lanes.blockAt(`${CATALOG}@${a.identity.id}`, 1)).toBeUndefined()
})

test('the word of a node that does not belong any more is no word', async () => {
  const { plan, ships } = await armedFleet(3, VOUCHING)
  const [a, b, stranger] = ships as [ArmedShip, ArmedShip, ArmedShip]
  moor(a, b, stranger)
  await write(a, 30, 'a')
  await expect.poll(() => agree(a, b, stranger), within).toBe(true)
  await b.sink()
  const id = await stranger.replication.snapshot(CATALOG)
  await expect.poll(() => signers(a, id), within).toBe(2)
  const evicted = { node: stranger.identity.id, compromised: false, frontier: null, reason: 'gone' }
  await a.journal.commit(AUTHORITY, () => [op('node.evicted', evicted, 'node')])
  const c = await armedNewcomer(plan, a, EAGER)
  moor(a, c)
  await expect.poll(() => agree(a, c), within).toBe(true)
  expect(c.replication.snapshots.refused).toEqual({ SNAPSHOT_UNATTESTED: 1 })
  expect(c.journal.lanes.blockAt(`${CATALOG}@${a.identity.id}`, 1)).toBeDefined()
})

test('an install that is torn by a crash is cleared up at the next start, and done again', async () => {
  const { plan, a, b, id } = await vouched()
  const c = await armedNewcomer(plan, a, STILL, true)
  await c.replication.stop()
  await c.journal.take(await authorityOf(a), a.identity.id)
  const snapshot = a.journal.tables.get('snapshots', id)
  if (!snapshot) throw new Error('no snapshot')
  const bytes = await bytesOf(a, snapshot.digest)
  let installed = 0
  c.store.after = (batch) => {
    installed += batch.filter(({ key }) => key.startsWith('t/tags/')).length
    if (installed > 0) c.store.fault = new Error('the power went')
  }
  const stream = async function* () {
    yield bytes
  }
  await expect(c.journal.lanes.install(snapshot, stream)).rejects.toThrow()
  expect(installed).toBeGreaterThan(0)
  c.store.fault = undefined
  await c.sink()
  const again = await openSite(plan, { identity: c.identity, directory: c.directory })
  const left: string[] = []
  for await (const { key } of again.journal.tables.list('tags')) left.push(key)
  expect(left).toEqual([])
  expect(part(again.journal.frontier(), CATALOG)).toEqual({})
  const back = await arm(plan, again, EAGER, c.hold)
  moor(a, b, back)
  await expect.poll(() => agree(a, b, back), within).toBe(true)
  expect(back.replication.snapshots.refused).toEqual({})
})

async function authorityOf(ship: ArmedShip): Promise<Uint8Array[]> {
  const ranges = Object.entries(part(ship.journal.frontier(), AUTHORITY)).map(([feed, to]) => ({
    feed,
    from: 1,
    to,
  }))
  const blocks: Uint8Array[] = []
  for await (const block of ship.journal.blocks(ranges)) blocks.push(block)
  return blocks
}

test('what a node wrote that the snapshot lacks is there again behind it', async () => {
  const { a, b, id } = await vouched()
  const snapshot = a.journal.tables.get('snapshots', id)
  if (!snapshot) throw new Error('no snapshot')
  const bytes = await bytesOf(a, snapshot.digest)
  await b.replication.stop()
  await b.journal.commit(CATALOG, () => [tag('only-here')])
  const before = b.journal.stateHash()
  await b.journal.lanes.install(snapshot, async function* () {
    yield bytes
  })
  expect(b.journal.stateHash()).toBe(before)
  await write(b, 1, 'next')
  expect(b.journal.frontier()).toMatchObject({ [`${CATALOG}@${b.identity.id}`]: 32 })
})

test('who took a snapshot finds the tags that mean several things as those do who wrote them', async () => {
  const { plan, ships } = await armedFleet(2, VOUCHING)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  await Promise.all([write(a, 30, 'a'), write(b, 30, 'b')])
  await a.journal.commit(CATALOG, () => [tag('split', 'a'), tag('same', 'a')])
  await b.journal.commit(CATALOG, () => [tag('split', 'b'), tag('same', 'a')])
  moor(a, b)
  await expect.poll(() => agree(a, b), within).toBe(true)
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => signers(a, id), within).toBe(2)
  const c = await armedNewcomer(plan, a, EAGER)
  moor(a, b, c)
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  expect(c.journal.lanes.blockAt(`${CATALOG}@${a.identity.id}`, 30)).toBeUndefined()
  for (const ship of [a, b, c]) expect(await disputed(ship)).toEqual(['split'])
  await c.journal.commit(CATALOG, () => [tag('split', 'c')])
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  for (const ship of [a, b, c]) expect(await disputed(ship)).toEqual([])
})

async function disputed(ship: ArmedShip): Promise<string[]> {
  const found: string[] = []
  for await (const { row } of ship.journal.tables.list('disputes')) found.push(row.tag)
  return found
}
