import { expect, onTestFinished, test } from 'vitest'
import { blockKey } from '../../../../cluster/ledger/layout.ts'
import { type LookPace, LookThrough } from '../../../../cluster/ledger/look-through.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../../../src/runtime/logger.ts'
import { systemTimers } from '../../../../src/runtime/timers.ts'
import { openDisk } from '../../../support/disk.ts'
import { type ArmedShip, armedFleet, moor, STILL, signers } from './armed.ts'
import { agree } from './harbour.ts'
import { everything, fleet, openSite, type Plan, type Site, tag, write } from './shipyard.ts'

const within = { timeout: 20_000, interval: 20 }
/** Never by itself while a test runs. */
const ASLEEP: Partial<LookPace> = { firstMs: 3_600_000, betweenMs: 3_600_000 }
const SLOW: Partial<LookPace> = { firstMs: 0, perRest: 4, restMs: 5, betweenMs: 3_600_000 }

interface Line {
  readonly level: string
  readonly message: string
}

function recorder(): { log: Logger; lines: Line[] } {
  const lines: Line[] = []
  const line = (level: string) => (_: object, message: string) => {
    lines.push({ level, message })
  }
  return { log: { ...silentLogger, warn: line('warn'), error: line('error') }, lines }
}

async function watched(
  site: Site,
  pace: Partial<LookPace>,
  log: Logger = silentLogger,
): Promise<LookThrough> {
  const look = new LookThrough(
    { journal: site.journal, store: site.store, clock: systemClock, timers: systemTimers, log },
    pace,
  )
  await look.start()
  onTestFinished(() => look.stop())
  return look
}

async function scene(): Promise<{ plan: Plan; founder: Site; member: Site }> {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(founder, 20, 'theirs')
  await write(member, 20, 'own')
  await member.journal.take(await everything(founder), founder.identity.id)
  return { plan, founder, member }
}

function entriesOf({ journal }: Site): number {
  return Object.values(journal.frontier()).reduce((sum, seq) => sum + seq, 0)
}

/** What the disk does: a bit of a row turns, while the node runs. */
async function flip(site: Site, prefix: string, at = -1): Promise<void> {
  for await (const [key, row] of site.store.range({ gte: prefix, lt: `${prefix}\u{10FFFF}`, limit: 1 })) {
    const value = Uint8Array.from(row)
    const index = value.length + at
    value[index] = (value[index] as number) ^ 1
    await site.store.write([{ type: 'put', key, value }])
    return
  }
  throw new Error(`there is no row below ${prefix}`)
}

for (const [table, family] of [
  ['nodes', 'authority'],
  ['tags', 'catalog'],
] as const) {
  test(`a bit that turns in a row of ${table} is found by the running node, counted, logged and mended from the logs`, async () => {
    const { founder, member } = await scene()
    const before = member.journal.stateHash()
    await flip(member, `t/${table}/`)
    const { log, lines } = recorder()
    const look = await watched(member, SLOW, log)
    await expect.poll(() => look.facts, within).toMatchObject({ mendedRows: 1, looks: 1, damagedTables: [] })
    expect(look.state.last).toMatchObject({ damagedTables: [family], mendedRows: 1, failure: null })
    expect(lines).toEqual([
      { level: 'error', message: expect.stringContaining('do not give their hash') },
      { level: 'warn', message: expect.stringContaining('made anew from the logs') },
    ])
    expect(member.journal.stateHash()).toBe(before)
    expect(await member.journal.inspect()).toMatchObject({ tables: [], damaged: [] })
    // And the node goes on.
    await member.journal.commit(CATALOG, () => [tag('still')])
    await founder.journal.take(await everything(member), member.identity.id)
    expect(founder.journal.position()).toEqual(member.journal.position())
  })
}

test('what was written over a row that was damaged while the node was down is mended too', async () => {
  const { plan, founder, member } = await scene()
  await flip(member, 't/tags/')
  await member.close()
  const { identity, directory } = member
  const again = await openSite(plan, { identity, directory })
  await write(again, 20, 'own')
  await write(again, 20, 'theirs')
  expect((await again.journal.inspect()).tables).toEqual(['catalog'])
  const look = await watched(again, ASLEEP)
  look.now()
  await expect.poll(() => look.state, within).toMatchObject({ running: false, last: { failure: null } })
  await founder.journal.take(await everything(again), identity.id)
  expect(again.journal.position()).toEqual(founder.journal.position())
})

test('tables are not made anew from a log that is damaged itself, which is said, and are once it is whole', async () => {
  const { founder, member } = await scene()
  // The member's own last entry: told without it, its number would be given away again.
  const feed = `${CATALOG}@${member.identity.id}`
  await founder.journal.take(await everything(member), member.identity.id)
  await flip(member, blockKey(feed, 20), -9)
  await flip(member, 't/tags/')
  const { log, lines } = recorder()
  const look = await watched(member, { ...ASLEEP, againMs: 20 }, log)
  look.now()
  await expect.poll(() => look.state.last?.failure, within).toContain('could not be made anew')
  expect(look.facts).toMatchObject({ damagedTables: ['catalog'], damagedEntries: 1 })
  expect(look.notices()).toEqual([
    expect.stringContaining('1 stored entries are damaged'),
    expect.stringContaining('move the folder `journal`'),
  ])
  expect(lines.map(({ level }) => level)).toContain('error')
  expect(member.journal.frontier()[feed]).toBe(20)
  await member.journal.take(await everything(founder), founder.identity.id)
  await expect
    .poll(() => look.facts, within)
    .toMatchObject({ damagedTables: [], damagedEntries: 0, mendedEntries: 1, mendedRows: 1 })
  expect(look.notices()).toEqual([])
  expect(member.journal.position()).toEqual(founder.journal.position())
})

test('a look goes no faster than it may, and one that is asked for does not wait for it', async () => {
  const { member } = await scene()
  let rests = 0
  const timers = {
    ...systemTimers,
    sleep: (ms: number, signal?: AbortSignal) => {
      if (ms === 70_000) rests++
      return systemTimers.sleep(ms, signal)
    },
  }
  const parts = {
    journal: member.journal,
    store: member.store,
    clock: systemClock,
    log: silentLogger,
    timers,
  }
  const look = new LookThrough(parts, { firstMs: 0, perRest: 3, restMs: 70_000, betweenMs: 3_600_000 })
  await look.start()
  onTestFinished(() => look.stop())
  await expect.poll(() => rests, within).toBe(1)
  const { running, ...sofar } = look.state
  expect({ read: sofar.rows + sofar.entries, running }).toEqual({ read: 3, running: true })
  look.now()
  const entries = entriesOf(member)
  await expect.poll(() => look.state, within).toMatchObject({ running: false, last: { entries } })
  expect(look.state.entriesTotal).toBe(entries)
  expect(rests).toBe(1)
})

test('a look that a stop ended goes on in the logs where it was', async () => {
  const { plan, member } = await scene()
  const feeds = Object.keys(member.journal.frontier()).sort()
  const seen: string[] = []
  const { rows } = await member.journal.inspect()
  // Into the first catalog log.
  const pace = { ...SLOW, perRest: rows + 6, restMs: 3_600_000 }
  const look = await watched(member, pace)
  await expect.poll(() => look.state.entries, within).toBe(6)
  await look.stop()
  await member.close()
  const { identity, directory } = member
  const again = await openSite(plan, { identity, directory })
  const journal = {
    mendTables: () => again.journal.mendTables(),
    status: () => again.journal.status(),
    inspect: (...[rest, how]: Parameters<typeof again.journal.inspect>) => {
      if (how?.from) seen.push(`${how.from.feed} ${how.from.seq}`)
      return again.journal.inspect(rest, how)
    },
  }
  const parts = { journal, store: again.store, clock: systemClock, timers: systemTimers, log: silentLogger }
  const next = new LookThrough(parts, ASLEEP)
  await next.start()
  onTestFinished(() => next.stop())
  next.now()
  await expect.poll(() => next.state.last?.entries, within).toBe(entriesOf(again))
  const first = again.journal.frontier()[feeds[0] as string] as number
  expect(seen).toEqual([first >= 6 ? `${feeds[0]} 6` : `${feeds[1]} ${6 - first}`])
})

test('a look that begins in the middle of the logs looks at each entry once', async () => {
  const { member, founder } = await scene()
  const feed = `${CATALOG}@${founder.identity.id}`
  await flip(member, blockKey(feed, 3), -9)
  await flip(member, blockKey(feed, 20), -9)
  const places: string[] = []
  const found = await member.journal.inspect(async () => {}, {
    from: { feed, seq: 7 },
    onRead: ({ at }) => void (at && places.push(`${at.feed}/${at.seq}`)),
  })
  expect(places[0]).toBe(`${feed}/7`)
  expect(new Set(places).size).toBe(places.length)
  expect(places).toHaveLength(found.entries)
  expect(found.damaged.map(({ seq }) => seq)).toEqual([20, 3])
  expect(found.tables).toEqual([])
  expect(member.journal.frontier()[`${AUTHORITY}@${founder.identity.id}`]).toBeDefined()
})

test('records that cannot be read at all are counted, logged with what to do, and tried again', async () => {
  const { member } = await scene()
  const { log, lines } = recorder()
  let broken = true
  const journal = {
    mendTables: () => member.journal.mendTables(),
    status: () => member.journal.status(),
    inspect: (...how: Parameters<typeof member.journal.inspect>) =>
      broken ? Promise.reject(new Error('corrupted block contents')) : member.journal.inspect(...how),
  }
  const parts = { journal, store: member.store, clock: systemClock, timers: systemTimers, log }
  const look = new LookThrough(parts, { ...ASLEEP, againMs: 20 })
  await look.start()
  onTestFinished(() => look.stop())
  look.now()
  await expect.poll(() => look.facts.failedLooks, within).toBeGreaterThan(0)
  expect(look.notices()).toEqual([expect.stringMatching(/corrupted block contents.*move the folder/)])
  expect(lines[0]).toMatchObject({ level: 'error', message: expect.stringContaining('could not be read') })
  broken = false
  await expect.poll(() => look.notices(), within).toEqual([])
  expect(look.state.last).toMatchObject({ failure: null })
})

test('a damaged row of a lane whose older log was let go is made anew from the snapshot on', async () => {
  const { plan, ships } = await armedFleet(2, { ...STILL, checkMs: 50 })
  const [a, b] = ships as [ArmedShip, ArmedShip]
  moor(a, b)
  await write(a, 20, 'a')
  await expect.poll(() => agree(a, b), within).toBe(true)
  const id = await a.replication.snapshot(CATALOG)
  await expect.poll(() => signers(a, id), within).toBe(2)
  await expect.poll(() => a.replication.prune(), within).toEqual([CATALOG])
  await write(a, 5, 'later')
  await expect.poll(() => agree(a, b), within).toBe(true)
  await a.sink()
  const disk = await openDisk(a.hold)
  onTestFinished(() => disk.close())
  const back = await openSite(plan, { identity: a.identity, directory: a.directory, blobs: disk.blobs })
  await flip(back, 't/tags/')
  const look = await watched(back, ASLEEP)
  look.now()
  await expect.poll(() => look.state.last, within).toMatchObject({ mendedRows: 1, failure: null })
  expect(look.state.last?.entries).toBe(look.state.entriesTotal)
  expect(back.journal.stateHash()).toBe(b.journal.stateHash())
  expect(await back.journal.inspect()).toMatchObject({ tables: [], damaged: [] })
})
