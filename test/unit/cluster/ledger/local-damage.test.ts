import { expect, test } from 'vitest'
import { blockKey } from '../../../../cluster/ledger/layout.ts'
import { Fault } from '../../../../src/errors.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { LevelStore } from '../../../../src/store/level/level-store.ts'
import { flip, settleInTables, tellingSpot } from '../../../support/damaged-table.ts'
import { type ArmedShip, armedFleet, armedNewcomer, moor, STILL, signers } from './armed.ts'
import { agree, connect, launch } from './harbour.ts'
import { everything, fleet, openSite, type Site, write } from './shipyard.ts'

const EAGER = { ...STILL, worthEntries: 5 }
const within = { timeout: 20_000, interval: 20 }

/** A member whose table of the founder's log turns a byte while it runs; what it logs is kept. */
async function damagedMember(): Promise<{ founder: Site; site: Site; logged: object[] }> {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  for (let n = 0; n < 60; n++) await write(founder, 1, `theirs-${n}`)
  await member.journal.take(await everything(founder), founder.identity.id)
  await member.close()
  const { identity, directory } = member
  await settleInTables(directory)
  const spot = await tellingSpot(directory, blockKey(`${CATALOG}@${founder.identity.id}`, 30))
  const logged: object[] = []
  const keep = (facts: object, message: string) => {
    logged.push({ ...facts, message })
  }
  const site = await openSite(plan, {
    identity,
    directory,
    log: { ...silentLogger, warn: keep, error: keep },
  })
  flip(spot)
  return { founder, site, logged }
}

test('an entry that cannot be looked up on this disk is not held against who sent it', async () => {
  const { founder, site, logged } = await damagedMember()
  await expect(site.journal.take(await everything(founder), founder.identity.id)).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringContaining('Move the directory'),
  })
  expect(site.journal.status().refused).toEqual({})
  expect(logged).not.toContainEqual(expect.objectContaining({ from: founder.identity.id }))
})

test('nor where the disk is full as a damaged entry comes again', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(founder, 20, 'theirs')
  await member.journal.take(await everything(founder), founder.identity.id)
  await member.close()
  const { identity, directory } = member
  const feed = `${CATALOG}@${founder.identity.id}`
  const store = await LevelStore.open(directory)
  await store.write([{ type: 'put', key: blockKey(feed, 7), value: new Uint8Array(40).fill(0xff) }])
  await store.close()
  const site = await openSite(plan, { identity, directory })
  for await (const _ of site.journal.blocks([{ feed, from: 1, to: 20 }]));
  expect(site.journal.status().damaged).toEqual({ waiting: 1, mended: 0 })
  const again: Uint8Array[] = []
  for await (const block of founder.journal.blocks([{ feed, from: 7, to: 7 }])) again.push(block)
  site.store.fault = new Fault('STORAGE_FULL', 'the disk is full')
  await expect(site.journal.take(again, founder.identity.id)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect(site.journal.status().refused).toEqual({})
  site.store.fault = undefined
  expect(await site.journal.take(again, founder.identity.id)).toMatchObject({ applied: 1, refused: 0 })
  expect(site.journal.status().damaged).toEqual({ waiting: 0, mended: 1 })
})

test('what a full disk keeps from being caught up is said so in the log, and taken in once there is room', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  const lines: string[] = []
  const error = (_: object, message: string) => {
    lines.push(message)
  }
  const [a, b] = [await launch(plan, founder), await launch(plan, member, { ...silentLogger, error })]
  member.store.fault = new Fault('STORAGE_FULL', 'the disk is full')
  connect(a, b)
  await write(founder, 5, 'while-full')
  await expect.poll(() => lines.some((line) => line.includes('cannot be recorded here')), within).toBe(true)
  member.store.fault = undefined
  await expect.poll(() => agree(a, b), within).toBe(true)
  expect(member.journal.status().refused).toEqual({})
})

test('a snapshot that this disk has no room for is not passed over: it is taken once there is', async () => {
  const { plan, ships } = await armedFleet(2, { ...STILL, checkMs: 50 })
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await Promise.all([write(a, 30, 'a'), write(b, 30, 'b')])
  await expect.poll(() => agree(a, b), within).toBe(true)
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => signers(a, id), within).toBe(2)
  const c = await armedNewcomer(plan, a, EAGER)
  const authority = Object.entries(a.journal.frontier()).filter(([feed]) => feed.startsWith(AUTHORITY))
  for await (const block of a.journal.blocks(authority.map(([feed, to]) => ({ feed, from: 1, to }))))
    await c.journal.take([block], a.identity.id)
  c.store.fault = new Fault('STORAGE_FULL', 'the disk is full')
  moor(a, b, c)
  const taken = () => c.replication.take(CATALOG, new AbortController().signal)
  await expect.poll(() => taken().catch((error) => error.code), within).toBe('STORAGE_FULL')
  expect(c.replication.snapshots.refused).toEqual({})
  c.store.fault = undefined
  await expect.poll(() => agree(a, b, c), within).toBe(true)
  expect(c.replication.snapshots.refused).toEqual({})
  // By the snapshot: of the log it stands for there is the end alone.
  expect(c.journal.lanes.blockAt(`${CATALOG}@${a.identity.id}`, 1)).toBeUndefined()
})
