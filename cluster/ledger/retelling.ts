import { decode, encode } from 'cborg'
import { Fault } from '../../src/errors.ts'
import { disputeOf } from '../../src/journal/content/disputes.ts'
import type { TableChange } from '../../src/journal/journal.ts'
import type { KeyRange, KeyValue, Write } from '../../src/journal/key-value.ts'
import { putRow, RowsSum } from '../../src/journal/lane-rows.ts'
import {
  AUTHORITY,
  type Entry,
  type FeedId,
  type Frontier,
  familyOf,
  feedOf,
  type Lane,
  type LaneFamily,
  parseFeedId,
} from '../../src/journal/op.ts'
import type { Rows, TableName } from '../../src/journal/rows.ts'
import { Sequencer } from '../../src/journal/sequencer.ts'
import { hashWrite } from '../../src/journal/table-store.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { INGEST_BATCH_BLOCKS_MAX, INSTALL_BATCH_BYTES } from '../limits.ts'
import { isDisowned } from './disowned.ts'
import type { Forks } from './forks.ts'
import type { Floor, Floors } from './snapshots/floors.ts'
import { BatchedWrites, deleteRange } from './snapshots/slices.ts'
import type { SnapshotBase } from './snapshots/snapshot-base.ts'
import type { StoredArchive } from './stored-archive.ts'
import type { FeedRange, StoredFeeds } from './stored-feeds.ts'

/** Where the tables are told anew, beside those in use. */
const SHADOW = 'retold/'
/** Rows that nothing is worked out from, and that no entry gives back. */
export const RETRACTED = 't/retracted/'
export const RETRACTED_TAGS = 't/retractedTags/'
/** All that the sequencer makes of the entries. */
const MADE: readonly string[] = ['feed/', 'state-hash/', 't/']

export interface RetellingParts {
  readonly store: KeyValue
  readonly feeds: StoredFeeds
  readonly archive: StoredArchive
  readonly floors: Floors
  readonly entryOf: (block: Uint8Array) => Entry
  readonly node: string
  readonly cluster: string
  readonly clock: Clock
  readonly forks: Pick<Forks, 'has' | 'anyIn'>
}

/**
 * The tables as the entries up to a frontier make them, told in rows of their own while the others stay in use:
 * from the first entry on, or, where a lane's older entries were let go, from the snapshot that stands for them.
 * Taking an entry back out of the tables is not possible otherwise: others have decided on what it said.
 */
export class Retelling {
  readonly #parts: RetellingParts
  readonly #shadow: KeyValue
  /** Where lanes' logs began when this did. */
  readonly #floors: ReadonlyMap<Lane, Floor>
  readonly #sequencer: Sequencer
  readonly #disowned = new Map<FeedId, number>()

  constructor(parts: RetellingParts) {
    this.#parts = parts
    const { node, cluster, clock, archive, forks } = parts
    const excused = (feed: FeedId) => forks.has(feed) || this.#isDisowned(feed)
    const log = {
      append: () => Promise.reject(new Fault('LOG_BROKEN', 'nothing is written while the past is told anew')),
    }
    this.#floors = new Map(parts.floors.all())
    this.#shadow = new Prefixed(parts.store)
    this.#sequencer = new Sequencer({ store: this.#shadow, log, archive, clock, node, cluster, excused })
  }

  /** Nothing is left of an earlier attempt. @throws Fault SNAPSHOT_UNREACHABLE */
  async begin(): Promise<void> {
    await deleteRange(this.#parts.store, all(SHADOW))
    const sums = new Map<LaneFamily, RowsSum>()
    for (const [lane, floor] of this.#floors) {
      const base = await this.#parts.archive.base(lane)
      if (base) await this.#seed(base, sumOf(sums, familyOf(lane)))
      else await this.#seedDropped(floor)
    }
    for (const [family, sum] of sums) await this.#shadow.write([hashWrite(family, sum.value)])
    this.#sequencer.tables.reload()
    await this.#sequencer.open()
  }

  /** Before the authority's entries, so that what these say of the lane is decided as it was when they came. */
  async #seed(base: SnapshotBase, sum: RowsSum): Promise<void> {
    const batch = new BatchedWrites(this.#shadow, INSTALL_BATCH_BYTES)
    let told = false
    for await (const row of base.all()) {
      sum.add(row)
      // Rows come sorted: what does not count is there before the tags that ask for it.
      if (row.table === 'tags' && !told) {
        await batch.flush()
        told = true
      }
      await batch.add(putRow(row))
      const own = disputeOf(this.#shadow, row)
      if (own) await batch.add(putRow(own))
    }
    for (const [feed, state] of base.feeds)
      await batch.add({ type: 'put', key: `feed/${feed}`, value: encode(state) })
    await batch.flush()
  }

  /** Of a month that was let go for its age there are no rows, only how far it went. */
  async #seedDropped({ frontier }: Floor): Promise<void> {
    for (const feed of Object.keys(frontier)) {
      const state = this.#parts.store.get(`feed/${feed}`)
      if (state) await this.#shadow.write([{ type: 'put', key: `feed/${feed}`, value: state }])
    }
  }

  /** Applies what is not applied yet: who is a member first, for nothing of anybody else may be told. */
  async tell(to: Frontier): Promise<void> {
    const told = this.#sequencer.frontier()
    const ranges = Object.entries(to)
      .filter(([feed, seq]) => seq > (told[feed] ?? 0))
      .map(([feed, seq]) => ({ feed, from: (told[feed] ?? 0) + 1, to: seq }))
    const isAuthority = ({ feed }: FeedRange) => parseFeedId(feed).lane === AUTHORITY
    await this.#apply(ranges.filter(isAuthority))
    await this.#apply(ranges.filter((range) => !isAuthority(range)))
    // Reading ends where the disk has damaged an entry: with less than all, numbers would be given away twice.
    const now = this.#sequencer.frontier()
    for (const { feed, to: seq } of ranges)
      if ((now[feed] ?? 0) < seq && !this.#disowned.has(feed))
        throw new Fault('RETELLING_STUCK', 'the log does not hold all that is to be told', { feed, seq })
    await this.#sequencer.settled()
  }

  /** Feeds of authors whose admission is not told any more, each with the first number that was left out. */
  get disowned(): ReadonlyMap<FeedId, number> {
    return this.#disowned
  }

  async #apply(ranges: readonly FeedRange[]): Promise<void> {
    const { feeds, entryOf } = this.#parts
    let batch: Entry[] = []
    const flush = async () => {
      const entries = batch.map((entry) => ({ entry, writes: [] }))
      batch = []
      const applied = await this.#sequencer.ingest(entries)
      if (applied < entries.length)
        throw new Fault('RETELLING_STUCK', 'the log does not hold all that its entries rest on')
    }
    for await (const { bytes } of feeds.inCausalOrder(ranges)) {
      const entry = entryOf(bytes)
      const feed = feedOf(entry)
      // What admits the author may be in the batch.
      if (batch.length > 0 && this.#isDisowned(feed)) await flush()
      if (this.#disowned.has(feed) || this.#isDisowned(feed)) {
        if (!this.#disowned.has(feed)) this.#disowned.set(feed, entry.seq)
        continue
      }
      batch.push(entry)
      // Before the genesis nobody can be told from a stranger.
      const isFounded = this.#sequencer.tables.get('cluster', 'cluster') !== undefined
      if (!isFounded || batch.length >= INGEST_BATCH_BLOCKS_MAX) await flush()
    }
    if (batch.length > 0) await flush()
  }

  #isDisowned(feed: FeedId): boolean {
    return isDisowned(feed, this.#parts.forks, this.#sequencer.tables)
  }

  /** Whether lanes' logs still begin where they did: what this read would not be whole otherwise. */
  get isCurrent(): boolean {
    const now = this.#parts.floors.all()
    return (
      now.size === this.#floors.size && [...this.#floors].every(([lane, floor]) => now.get(lane) === floor)
    )
  }

  /** What of the rows in use differs: the writes that mend it, and the changes others want to hear of. */
  async difference(): Promise<{ writes: Write[]; changes: TableChange[] }> {
    const { store } = this.#parts
    const writes: Write[] = []
    for (const prefix of MADE) {
      const ours = told(store.range(all(prefix)))[Symbol.asyncIterator]()
      const anew = store.range(all(SHADOW + prefix))[Symbol.asyncIterator]()
      let [a, b] = [await ours.next(), await anew.next()]
      while (!a.done || !b.done) {
        const [oldKey, oldRow] = a.done ? [undefined, undefined] : a.value
        const [newKey, newRow] = b.done
          ? [undefined, undefined]
          : [b.value[0].slice(SHADOW.length), b.value[1]]
        const order = compare(oldKey, newKey)
        if (order < 0) writes.push({ type: 'del', key: oldKey as string })
        else if (order > 0 || Buffer.compare(oldRow as Uint8Array, newRow as Uint8Array) !== 0)
          writes.push({ type: 'put', key: newKey as string, value: newRow as Uint8Array })
        if (order <= 0) a = await ours.next()
        if (order >= 0) b = await anew.next()
      }
    }
    return { writes, changes: writes.flatMap(changeOf) }
  }

  async end(): Promise<void> {
    await this.#sequencer.close()
    await deleteRange(this.#parts.store, all(SHADOW))
  }
}

/** The same store, under keys of its own. */
class Prefixed implements KeyValue {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  get(key: string): Uint8Array | undefined {
    return this.#store.get(SHADOW + key)
  }

  async *range({ gte, lt, ...rest }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    for await (const [key, row] of this.#store.range({ gte: SHADOW + gte, lt: SHADOW + lt, ...rest }))
      yield [key.slice(SHADOW.length), row]
  }

  write(batch: readonly Write[]): Promise<void> {
    return this.#store.write(batch.map((one) => ({ ...one, key: SHADOW + one.key })))
  }
}

function sumOf(sums: Map<LaneFamily, RowsSum>, family: LaneFamily): RowsSum {
  const sum = sums.get(family) ?? new RowsSum()
  sums.set(family, sum)
  return sum
}

/** Rows that are told by entries: what an earlier straightening took back is told by none. */
async function* told(
  rows: AsyncIterable<readonly [string, Uint8Array]>,
): AsyncGenerator<readonly [string, Uint8Array]> {
  for await (const row of rows)
    if (!row[0].startsWith(RETRACTED) && !row[0].startsWith(RETRACTED_TAGS)) yield row
}

function all(prefix: string): KeyRange {
  return { gte: prefix, lt: `${prefix}\u{10FFFF}` }
}

/** In the store's order, which is that of UTF-8; what has come to its end is last. */
function compare(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function changeOf(write: Write): TableChange[] {
  const [, table, key] = /^t\/([^/]+)\/([\s\S]*)$/.exec(write.key) ?? []
  if (table === undefined || key === undefined) return []
  const row = write.type === 'put' ? (decode(write.value) as Rows[TableName]) : undefined
  return [{ table: table as TableName, key, row }]
}
