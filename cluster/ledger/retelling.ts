import { encode } from 'cborg'
import { Fault } from '../../src/errors.ts'
import { disputeOf } from '../../src/journal/content/disputes.ts'
import type { TableChange } from '../../src/journal/journal.ts'
import type { KeyValue, Write } from '../../src/journal/key-value.ts'
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
import { Sequencer } from '../../src/journal/sequencer.ts'
import { hashWrite } from '../../src/journal/table-store.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { INGEST_BATCH_BLOCKS_MAX, INSTALL_BATCH_BYTES } from '../limits.ts'
import { isDisowned } from './disowned.ts'
import type { Forks } from './forks.ts'
import { foundsCluster } from './judge.ts'
import { ShadowRows } from './shadow-rows.ts'
import type { Floor, Floors } from './snapshots/floors.ts'
import { BatchedWrites } from './snapshots/slices.ts'
import type { SnapshotBase } from './snapshots/snapshot-base.ts'
import type { StoredArchive } from './stored-archive.ts'
import type { FeedRange, StoredFeeds } from './stored-feeds.ts'

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
  readonly #shadow: ShadowRows
  /** Where lanes' logs began when this did. */
  readonly #floors: ReadonlyMap<Lane, Floor>
  readonly #sequencer: Sequencer
  /** Feeds whose author is not admitted by what is told so far: what was met of them, and left out. */
  readonly #left = new Map<FeedId, FeedRange>()

  constructor(parts: RetellingParts) {
    this.#parts = parts
    const { node, cluster, clock, archive, forks } = parts
    const excused = (feed: FeedId) => forks.has(feed) || this.#isDisowned(feed)
    const log = {
      append: () => Promise.reject(new Fault('LOG_BROKEN', 'nothing is written while the past is told anew')),
    }
    this.#floors = new Map(parts.floors.all())
    this.#shadow = new ShadowRows(parts.store)
    this.#sequencer = new Sequencer({ store: this.#shadow, log, archive, clock, node, cluster, excused })
  }

  /** Nothing is left of an earlier attempt. @throws Fault SNAPSHOT_UNREACHABLE */
  async begin(): Promise<void> {
    await this.#shadow.clear()
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
    this.#left.clear()
    const ranges = Object.entries(to)
      .filter(([feed, seq]) => seq > (told[feed] ?? 0))
      .map(([feed, seq]) => ({ feed, from: (told[feed] ?? 0) + 1, to: seq }))
    const isAuthority = ({ feed }: FeedRange) => parseFeedId(feed).lane === AUTHORITY
    await this.#apply(ranges.filter(isAuthority))
    await this.#apply(ranges.filter((range) => !isAuthority(range)))
    // Reading ends where the disk has damaged an entry: with less than all, numbers would be given away twice.
    const now = this.#sequencer.frontier()
    for (const { feed, to: seq } of ranges)
      if ((now[feed] ?? 0) < seq && !this.#left.has(feed))
        throw new Fault('RETELLING_STUCK', 'the log does not hold all that is to be told', { feed, seq })
    await this.#sequencer.settled()
  }

  /** Feeds of authors whose admission is not told any more, each with the first number that was left out. */
  get disowned(): ReadonlyMap<FeedId, number> {
    return new Map([...this.#left].map(([feed, { from }]) => [feed, from]))
  }

  async #apply(ranges: readonly FeedRange[]): Promise<void> {
    const batch: Entry[] = []
    for await (const { bytes } of this.#parts.feeds.inCausalOrder(ranges)) {
      const entry = this.#parts.entryOf(bytes)
      // What admits the author may be in the batch.
      if (batch.length > 0 && this.#isStranger(entry)) await this.#take(batch.splice(0))
      if (this.#left.has(feedOf(entry)) || this.#isStranger(entry)) {
        this.#leave(entry)
        continue
      }
      batch.push(entry)
      // Who founded it is known by the cluster's row, not by the batch.
      const isFounded = this.#sequencer.tables.get('cluster', 'cluster') !== undefined
      const letsIn = this.#left.size > 0 && admits(entry)
      if (!isFounded || letsIn || batch.length >= INGEST_BATCH_BLOCKS_MAX) await this.#take(batch.splice(0))
      if (letsIn) await this.#tellLeft()
    }
    if (batch.length > 0) await this.#take(batch)
  }

  /**
   * An author that claims not to have seen its own admission comes before that. It was taken in after it all the
   * same, and everybody who went on from there had seen both.
   */
  async #tellLeft(): Promise<void> {
    for (;;) {
      const known = [...this.#left.values()].filter(({ feed }) => !this.#isDisowned(feed))
      if (known.length === 0) return
      let took = false
      for await (const { bytes } of this.#parts.feeds.inCausalOrder(known)) {
        const entry = this.#parts.entryOf(bytes)
        await this.#take([entry])
        this.#tookLeft(entry)
        took = true
        // Whom it lets in may have to be told before what comes next.
        if (admits(entry)) break
      }
      if (!took) throw new Fault('RETELLING_STUCK', 'the log does not hold all that is to be told')
    }
  }

  #leave(entry: Entry): void {
    const feed = feedOf(entry)
    this.#left.set(feed, { feed, from: this.#left.get(feed)?.from ?? entry.seq, to: entry.seq })
  }

  #tookLeft(entry: Entry): void {
    const feed = feedOf(entry)
    const range = this.#left.get(feed)
    if (!range || range.to <= entry.seq) this.#left.delete(feed)
    else this.#left.set(feed, { ...range, from: entry.seq + 1 })
  }

  async #take(entries: readonly Entry[]): Promise<void> {
    const applied = await this.#sequencer.ingest(entries.map((entry) => ({ entry, writes: [] })))
    if (applied < entries.length)
      throw new Fault('RETELLING_STUCK', 'the log does not hold all that its entries rest on')
  }

  /** Whether nothing told so far admits the author. */
  #isStranger(entry: Entry): boolean {
    const { forks, cluster } = this.#parts
    if (this.#sequencer.tables.get('cluster', 'cluster')) return this.#isDisowned(feedOf(entry))
    return forks.anyIn(AUTHORITY) && !foundsCluster(entry, cluster)
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
  difference(): Promise<{ writes: Write[]; changes: TableChange[] }> {
    return this.#shadow.difference()
  }

  async end(): Promise<void> {
    await this.#sequencer.close()
    await this.#shadow.clear()
  }
}

function admits({ ops }: Entry): boolean {
  return ops.some(({ kind }) => kind === 'node.admitted')
}

function sumOf(sums: Map<LaneFamily, RowsSum>, family: LaneFamily): RowsSum {
  const sum = sums.get(family) ?? new RowsSum()
  sums.set(family, sum)
  return sum
}
