import { expect, test } from 'vitest'
import type { SnapshotBytes } from '../../../../cluster/ledger/snapshots/lane-installer.ts'
import { part } from '../../../../cluster/ledger/snapshots/lane-position.ts'
import { Fault } from '../../../../src/errors.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../../src/journal/rows.ts'
import { type ArmedShip, armedFleet, armedNewcomer, bytesOf, moor, STILL } from './armed.ts'
import { agree } from './harbour.ts'
import { everything, type Site, tag, user, write } from './shipyard.ts'

const within = { timeout: 15_000, interval: 20 }

/** A snapshot of `entries` of one member, and a newcomer that knows of it. */
async function scene(entries = 30): Promise<{ a: ArmedShip; c: Site; snapshot: SnapshotRow; bytes: Buffer }> {
  const { plan, ships } = await armedFleet(1)
  const [a] = ships as [ArmedShip]
  await write(a, entries, 'a')
  const id = (await a.replication.snapshot(CATALOG)) as string
  const snapshot = a.journal.tables.get('snapshots', id) as SnapshotRow
  const c = await armedNewcomer(plan, a, STILL, false)
  await c.replication.stop()
  const ranges = Object.entries(part(a.journal.frontier(), AUTHORITY)).map(([feed, to]) => ({
    feed,
    from: 1,
    to,
  }))
  for await (const block of a.journal.blocks(ranges)) await c.journal.take([block], a.identity.id)
  return { a, c, snapshot, bytes: await bytesOf(a, snapshot.digest) }
}

/** The frame that says how many rows there were. */
const END_BYTES = 12

/** The bytes, of which the last come when `release` is called; `reached` when the others were used, the nth time. */
function gated(
  bytes: Buffer,
  nth: number,
): { open: SnapshotBytes; reached: Promise<void>; release: (error?: Error) => void } {
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  let opened = 0
  async function* open() {
    const mine = ++opened
    yield bytes.subarray(0, -END_BYTES)
    if (mine === nth) {
      reached.resolve()
      await released.promise
    }
    yield bytes.subarray(-END_BYTES)
  }
  const release = (error?: Error) => (error ? released.reject(error) : released.resolve())
  return { open, reached: reached.promise, release }
}

async function tagsAt({ journal }: Pick<Site, 'journal'>): Promise<number> {
  let count = 0
  for await (const _ of journal.tables.list('tags')) count++
  return count
}

test('while a newcomer takes a snapshot in, other records are written; those it lacks are busy', async () => {
  const { a, c, snapshot, bytes } = await scene()
  // Looked at once, then used.
  const { open, reached, release } = gated(bytes, 2)
  const installed = c.journal.lanes.install(snapshot, open)
  await reached
  await c.journal.commit(AUTHORITY, () => [user('meanwhile')])
  await expect(c.journal.commit(CATALOG, () => [tag('too-early')])).rejects.toMatchObject({
    code: 'JOURNAL_BUSY',
  })
  // What would fit an empty lane has to wait as well.
  const { applied } = await c.journal.take(await everything(a), a.identity.id)
  expect(part(c.journal.frontier(), CATALOG)).toEqual({})
  expect(applied).toBe(0)
  release()
  await installed
  expect(await tagsAt(c)).toBe(30)
  expect(part(c.journal.frontier(), CATALOG)).toEqual(snapshot.frontier)
  expect(await c.journal.inspect()).toMatchObject({ tables: [] })
  await c.journal.commit(CATALOG, () => [tag('after')])
  expect(await tagsAt(c)).toBe(31)
})

test('who commits to a lane that a snapshot is taking the place of waits, and stands behind it', async () => {
  const { ships } = await armedFleet(2)
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await write(a, 20, 'a')
  await expect.poll(() => agree(a, b), within).toBe(true)
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => agree(a, b), within).toBe(true)
  const snapshot = a.journal.tables.get('snapshots', id) as SnapshotRow
  // Looked at, gone through, then used.
  const { open, reached, release } = gated(await bytesOf(a, snapshot.digest), 3)
  const installed = b.journal.lanes.install(snapshot, open)
  await reached
  const order: string[] = []
  const late = b.journal.commit(CATALOG, () => [tag('late')]).then(() => order.push('committed'))
  const other = b.journal.commit(AUTHORITY, () => [user('meanwhile')]).then(() => order.push('other'))
  await other
  release()
  await installed
  await late
  expect(order).toEqual(['other', 'committed'])
  expect(await tagsAt(b)).toBe(21)
  await expect.poll(() => agree(a, b), within).toBe(true)
})

test('a snapshot that breaks off leaves nothing of itself, and the lane can be written', async () => {
  const { c, snapshot, bytes } = await scene()
  const { open, reached, release } = gated(bytes, 2)
  const installed = c.journal.lanes.install(snapshot, open)
  await reached
  release(new Fault('BLOB_FETCH_FAILED', 'the bytes were a lie'))
  await expect(installed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
  expect(await tagsAt(c)).toBe(0)
  await c.journal.commit(CATALOG, () => [tag('own')])
  expect(await tagsAt(c)).toBe(1)
  expect(await c.journal.inspect()).toMatchObject({ tables: [] })
})

test('a snapshot is not used where something else rewrote the records meanwhile, but can be taken again', async () => {
  const { c, snapshot, bytes } = await scene()
  const { open, reached, release } = gated(bytes, 2)
  const installed = c.journal.lanes.install(snapshot, open)
  await reached
  await c.journal.lanes.drop('trail/system/2031-05')
  release()
  await expect(installed).rejects.toMatchObject({ code: 'SNAPSHOT_OVERTAKEN' })
  expect(await tagsAt(c)).toBe(0)
  await c.journal.lanes.install(snapshot, async function* () {
    yield bytes
  })
  expect(await tagsAt(c)).toBe(30)
})
