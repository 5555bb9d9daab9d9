import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from 'cborg'
import { afterAll, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { decodeEntry, encodeEntry } from '../../../src/journal/entry.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../../src/journal/genesis.ts'
import type { KeyValue, Write } from '../../../src/journal/key-value.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Entry, type FeedId, type NewOp } from '../../../src/journal/op.ts'
import { Sequencer } from '../../../src/journal/sequencer.ts'
import { ENTRY_BYTES_MAX } from '../../../src/limits.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { LevelStore } from '../../../src/store/level/level-store.ts'

const cleanups: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const clean of cleanups) await clean()
})

const [ONE, TWO] = ['1', '2'].map((digit) => digit.repeat(24)) as [string, string]
const nonce = new Uint8Array(32)
const genesis = writeGenesis({ name: 'test', founder: ONE, nonce, time: 1, recovery: nonce })
const cluster = clusterIdOf(genesis)
const key = 'k'.repeat(43)
const facts = { name: 'one', site: 'here', addresses: [], swarm: [], url: null, tokenKey: key, sealKey: key }
/** Nothing here is decided again. */
const archive = { async *read() {}, base: async () => undefined }

interface Site {
  readonly sequencer: Sequencer
  /** What it wrote, as bytes. */
  readonly written: Uint8Array[]
}

async function levelStore(): Promise<LevelStore> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-sequencer-'))
  const store = await LevelStore.open(directory)
  cleanups.push(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return store
}

async function site(
  node: string,
  excused: (feed: FeedId) => boolean = () => false,
  store?: KeyValue,
): Promise<Site> {
  const rows = store ?? (await levelStore())
  const written: Uint8Array[] = []
  const log = {
    async append(_entry: Entry, bytes: Uint8Array, writes: readonly Write[]) {
      written.push(bytes)
      await rows.write(writes)
    },
  }
  return {
    written,
    sequencer: new Sequencer({ store: rows, log, archive, clock: systemClock, node, cluster, excused }),
  }
}

/** The cluster's first member, which may write. */
async function founder(): Promise<Site> {
  const founding = await site(ONE)
  await founding.sequencer.commit(AUTHORITY, () => foundingOps(genesis, ONE, facts))
  return founding
}

function learn(reader: Site, ...blocks: readonly Uint8Array[]): Promise<number> {
  return reader.sequencer.ingest(blocks.map((bytes) => ({ entry: decodeEntry(bytes), writes: [] })))
}

function user(name: string, number: number): NewOp {
  const body = {
    name,
    number,
    email: '',
    realname: '',
    comment: '',
    admin: false,
    passwordHash: '$argon2id$x',
  }
  return op('user.created', body, 'node')
}

function entry(author: string, seq: number, ops: Entry['ops'], seen: Entry['seen'] = {}): Entry {
  return { format: 1, cluster, lane: AUTHORITY, author, seq, depth: seq, time: 0, seen, ops }
}

test('an op whose content a rule cannot read changes nothing and stops nothing', async () => {
  const here = await founder()
  const unreadable = { kind: 'cluster.founded', version: 1, actor: 'x', body: { genesis: new Uint8Array(9) } }
  expect(await learn(here, encodeEntry(entry(TWO, 1, [unreadable])))).toBe(1)
  await here.sequencer.commit(AUTHORITY, () => [user('alice', 1)])
  expect(here.sequencer.frontier()).toEqual({ [`authority@${TWO}`]: 1, [`authority@${ONE}`]: 2 })
})

test('strings that CBOR mends leave the same rows at their author and everywhere else', async () => {
  const author = await founder()
  const reader = await site(TWO)
  await author.sequencer.commit(AUTHORITY, () => [user('a\ud800', 1), user('a\ud801', 2)])
  await learn(reader, ...author.written)
  expect(reader.sequencer.tables.stateHash()).toBe(author.sequencer.tables.stateHash())
  expect(reader.sequencer.tables.get('claims', 'user-name:a\ufffd')).toHaveLength(2)
})

test('an entry stays within its bound however many feeds it is the first to have seen', async () => {
  const author = await founder()
  const feeds = Object.fromEntries(
    Array.from({ length: 500 }, (_, n) => [`authority@${n}${'x'.repeat(50)}`, 1]),
  )
  for (const feed of Object.keys(feeds)) {
    const name = feed.slice('authority@'.length)
    const unknown = { kind: 'later', version: 1, actor: 'x', body: null }
    await learn(author, encodeEntry(entry(name, 1, [unknown])))
  }
  const big = () => user('u', 1)
  const plans = Array.from({ length: 256 }, (_, n) =>
    author.sequencer.commit(AUTHORITY, () => [
      { ...big(), body: { ...(user(`u${n}`, n + 1).body as object), comment: 'c'.repeat(1000) } },
    ]),
  )
  await Promise.all(plans)
  expect(author.written.length).toBeGreaterThan(1)
  for (const bytes of author.written) expect(bytes.length).toBeLessThanOrEqual(ENTRY_BYTES_MAX)
})

test('what others have seen of a feed that goes no further here is not waited for', async () => {
  const later = entry(TWO, 1, [{ kind: 'later', version: 1, actor: 'x', body: 1 }], {
    'authority@forked': 9,
  })
  const patient = await site(ONE)
  expect(await learn(patient, encodeEntry(later))).toBe(0)
  expect(patient.sequencer.missing(later)).toEqual({ feed: 'authority@forked', have: 0, need: 9 })
  const excusing = await site(ONE, (feed) => feed === 'authority@forked')
  expect(excusing.sequencer.missing(later)).toBeUndefined()
  expect(await learn(excusing, encodeEntry(later))).toBe(1)
})

test('who waits for what a full disk keeps from being decided is told so each time, and never waits for nothing', async () => {
  const store = await levelStore()
  const disk = { full: true }
  const write: KeyValue['write'] = async (batch) => {
    if (disk.full) throw new Fault('STORAGE_FULL', 'the disk is full')
    await store.write(batch)
  }
  await store.write([{ type: 'put', key: 't/reviews/alice#account', value: encode({ after: '' }) }])
  const rows: KeyValue = { get: (key) => store.get(key), range: (bounds) => store.range(bounds), write }
  const { sequencer } = await site(ONE, () => false, rows)
  await sequencer.open()
  for (const _ of [1, 2, 3]) {
    await expect(sequencer.settled()).rejects.toThrow('the disk is full')
    expect(sequencer.isReviewing).toBe(true)
  }
  disk.full = false
  await sequencer.settled()
  expect(sequencer.isReviewing).toBe(false)
})
