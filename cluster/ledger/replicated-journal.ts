import { Fault } from '../../src/errors.ts'
import type { Committed, Journal, TableChange, Tables } from '../../src/journal/journal.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import type { RawRow } from '../../src/journal/lane-rows.ts'
import { laneRows } from '../../src/journal/lane-rows.ts'
import {
  type Entry,
  type FeedId,
  FIRST_LIFE,
  type Frontier,
  familyOf,
  feedOf,
  type Lane,
  type NewOp,
  type OpId,
  parseFeedId,
} from '../../src/journal/op.ts'
import type { SnapshotRow } from '../../src/journal/rows.ts'
import { type Moment, Sequencer } from '../../src/journal/sequencer.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { TRAIL_MONTHS_DEFAULT } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import type { BlockFormat } from './block-format.ts'
import { type Fork, Forks } from './forks.ts'
import { Ingest, type Taken } from './ingest.ts'
import { blockKey, decodeBlock, indexKey } from './layout.ts'
import { type Head, type Heads, type Position, positionOf, rangesWanted } from './position.ts'
import { Quarantine } from './quarantine.ts'
import { type Floor, Floors } from './snapshots/floors.ts'
import { LaneInstaller, type SnapshotBytes } from './snapshots/lane-installer.ts'
import { covers, type LanePosition, lanePosition, part } from './snapshots/lane-position.ts'
import { isExpired } from './snapshots/retention.ts'
import { deleteRange, dropRows } from './snapshots/slices.ts'
import { StoredArchive } from './stored-archive.ts'
import { type FeedRange, StoredFeeds } from './stored-feeds.ts'

export interface ReplicatedJournalParts {
  /** The incarnation to go on in; the first where it is left out. */
  readonly life?: string
  readonly store: KeyValue
  readonly node: NodeId
  readonly format: BlockFormat
  readonly clusterId: string
  readonly clock: Clock
  readonly log: Logger
  /** Where snapshots are: what a pruned lane amounted to is read from there when it must be decided again. */
  readonly blobs?: Pick<BlobStore, 'open'> | undefined
  /** Whole months for which the trail is kept. */
  readonly trailMonths?: number
}

/** What an operator may want to know of the ledger beside the tables. */
export interface LedgerStatus {
  readonly feeds: number
  readonly entries: number
  /** False once this node's own feed turned out to be forked: it must be set up anew, as another node. */
  readonly writable: boolean
  readonly forks: readonly Omit<Fork, 'heldBlock' | 'rivalBlock'>[]
  /** How often each reason made an entry be refused, since the start. */
  readonly refused: Readonly<Record<string, number>>
  readonly parked: { readonly blocks: number; readonly bytes: number }
  readonly lanes: readonly LaneStatus[]
}

export interface LaneStatus {
  readonly lane: Lane
  /** Since the beginning. */
  readonly entries: number
  /** Of the log that is here: entries times the mean of some. */
  readonly logBytes: number
  /** Entries that are gone, and the snapshot op that stands for them. */
  readonly pruned: { readonly entries: number; readonly snapshot: OpId | null }
}

/** Where the log does not go back so far any more. */
export interface Pruned {
  readonly lane: Lane
  readonly snapshot: OpId | null
}

/** Newest entries of a feed that are looked at to tell the size of its log. */
const SAMPLED_ENTRIES = 8

/**
 * The journal of a member: every node's entries as signed logs, applied through the same sequencer
 * as a single node's. By itself it neither sends nor listens (`init`, `doctor`); `Replication` does.
 */
export class ReplicatedJournal implements Journal {
  readonly node: NodeId
  readonly cluster: string
  /** Feeds whose author signed two histories. */
  readonly quarantine: Quarantine
  readonly #sequencer: Sequencer
  readonly #feeds: StoredFeeds
  readonly #forks: Forks
  readonly #floors: Floors
  readonly #installer: LaneInstaller
  readonly #clock: Clock
  readonly #trailMonths: number
  readonly #store: KeyValue
  readonly #ingest: Ingest
  #gate: (() => Promise<void> | undefined) | undefined
  readonly #retoldListeners = new Set<(changes: readonly TableChange[]) => void>()
  readonly #ownListeners = new Set<(block: Uint8Array) => void>()
  #position: Position | undefined
  readonly #heads = new Map<FeedId, Head>()
  /** Feeds whose head has moved since it was last looked at. */
  readonly #moved = new Set<FeedId>()

  constructor({
    store,
    node,
    format,
    clusterId,
    clock,
    log,
    blobs,
    life = FIRST_LIFE,
    trailMonths = TRAIL_MONTHS_DEFAULT,
  }: ReplicatedJournalParts) {
    this.node = node
    this.cluster = clusterId
    this.#feeds = new StoredFeeds(store)
    this.#store = store
    this.#clock = clock
    this.#trailMonths = trailMonths
    this.#forks = new Forks(store)
    this.#floors = new Floors(store)
    const onAppended = (block: Uint8Array) => {
      for (const listener of this.#ownListeners) listener(block)
    }
    const archive = new StoredArchive({
      feeds: this.#feeds,
      floors: this.#floors,
      entryOf: (block) => format.entryOf(block),
      snapshot: (id) => this.tables.get('snapshots', id),
      blobs,
    })
    this.#sequencer = new Sequencer({
      store,
      clock,
      node: this.node,
      cluster: clusterId,
      log: format.ownLog({ store, cluster: clusterId, onAppended }),
      archive,
      life,
      excused: (feed) => this.#forks.has(feed),
    })
    this.#installer = new LaneInstaller({
      store,
      sequencer: this.#sequencer,
      format,
      cluster: clusterId,
      node,
      floors: this.#floors,
    })
    this.#ingest = new Ingest({
      format,
      cluster: clusterId,
      sequencer: this.#sequencer,
      feeds: this.#feeds,
      forks: this.#forks,
      floors: this.#floors,
      isExpired: (lane) => this.isExpired(lane),
      log,
    })
    this.quarantine = new Quarantine({
      store,
      feeds: this.#feeds,
      archive,
      format,
      node,
      cluster: clusterId,
      clock,
      sequencer: this.#sequencer,
      tables: this.tables,
      forks: this.#forks,
      floors: this.#floors,
      onStraightened: (changes) => this.#straightened(changes),
    })
    this.#sequencer.onApplied(({ entries }) => {
      this.#position = undefined
      for (const entry of entries) this.#moved.add(feedOf(entry))
    })
  }

  /** @throws Fault LEDGER_DAMAGED when records and logs in the store do not belong together */
  async open(): Promise<void> {
    await this.#installer.recover()
    await this.#floors.open()
    await this.#sequencer.open()
    await this.#forks.open()
    for (const [feed, seq] of Object.entries(this.#sequencer.frontier())) {
      const head = this.#feeds.headHash(feed)
      if (head === undefined || this.#feeds.at(feed, seq)?.hash !== head) {
        throw new Fault('LEDGER_DAMAGED', `the log ${feed} does not end where its records do`, { feed, seq })
      }
      this.#moved.add(feed)
    }
    await this.takeAside()
  }

  /** Refuses new work and waits for what was taken on. */
  async close(): Promise<void> {
    await this.#ingest.idle()
    await this.#sequencer.close()
  }

  /** Every commit waits for what `gate` answers, where it answers anything. */
  holdWrites(gate: (() => Promise<void> | undefined) | undefined): void {
    this.#gate = gate
  }

  /** Which of its feeds this node goes on with: '' the first. */
  get life(): string {
    return this.#sequencer.life
  }

  continueAs(life: string): void {
    this.#sequencer.continueAs(life)
  }

  /** Something applied waits to be decided again: until then the state hash is of no lasting state. */
  get isReviewing(): boolean {
    return this.#sequencer.isReviewing
  }

  /** Everything that was to be decided again has been. */
  settled(): Promise<void> {
    return this.#sequencer.settled()
  }

  get tables(): Tables {
    return this.#sequencer.tables
  }

  async commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    const held = this.#gate?.()
    if (held) await held
    if (this.#forks.hasOf(this.node)) {
      throw new Fault(
        'JOURNAL_READ_ONLY',
        'two histories exist under this node’s name (was it restored from a backup?): let it join anew',
      )
    }
    return this.#sequencer.commit(lane, (tables) => {
      // Going on without what this node has written itself would give numbers away twice.
      if (this.#installer.owes(lane)) {
        throw new Fault('JOURNAL_BUSY', 'the records are being fetched from another member; try again')
      }
      return plan(tables)
    })
  }

  onChange(listener: (changes: readonly TableChange[]) => void): () => void {
    const unfollow = this.#sequencer.onApplied(({ changes }) => listener(changes))
    const own = (changes: readonly TableChange[]) => listener(changes)
    this.#retoldListeners.add(own)
    return () => {
      unfollow()
      this.#retoldListeners.delete(own)
    }
  }

  frontier(): Frontier {
    return this.#sequencer.frontier()
  }

  stateHash(): string {
    return this.#sequencer.tables.stateHash()
  }

  /** Tells of entries as they were applied, local or not. */
  onEntries(listener: (entries: readonly Entry[]) => void): () => void {
    return this.#sequencer.onApplied(({ entries }) => listener(entries))
  }

  /** Tells of each block this node signed, once it is durable. */
  onOwnBlock(listener: (block: Uint8Array) => void): () => void {
    this.#ownListeners.add(listener)
    return () => this.#ownListeners.delete(listener)
  }

  /** Takes in blocks from elsewhere: checks everything, applies what fits. */
  take(blocks: readonly Uint8Array[], from: NodeId): Promise<Taken> {
    return this.#ingest.take(blocks, from)
  }

  /** Heads and state hash of one moment. */
  position(): Position {
    if (this.#position) return this.#position
    for (const feed of this.#moved) {
      const { seq } = this.#sequencer.feed(feed)
      const hash = this.#feeds.at(feed, seq)?.hash
      if (hash !== undefined) this.#heads.set(feed, { seq, hash })
    }
    this.#moved.clear()
    const heads = [...this.#heads].filter(([feed]) => !this.#isDropped(parseFeedId(feed).lane))
    this.#position = positionOf(new Map(heads), this.stateHash())
    return this.#position
  }

  /** A lane's position and rows of one moment; the rows can be read at leisure. */
  capture(lane: Lane): Promise<{ position: LanePosition; rows: AsyncIterable<RawRow> }> {
    return this.#atRest((moment) => ({
      position: this.#positionOf(lane, moment),
      rows: laneRows(this.#store, lane),
    }))
  }

  /** Where a lane stands. */
  lanePosition(lane: Lane): Promise<LanePosition> {
    return this.#atRest((moment) => this.#positionOf(lane, moment))
  }

  #positionOf(lane: Lane, { frontier, hashOf }: Moment): LanePosition {
    return lanePosition(this.#store, lane, frontier, hashOf(familyOf(lane)))
  }

  /** Between two groups, with nothing left to be decided again: rows are then what the ops make of them. */
  async #atRest<T>(look: (moment: Moment) => T): Promise<T> {
    for (;;) {
      await this.#sequencer.settled()
      const seen = await this.#sequencer.freeze((moment) =>
        this.#sequencer.isReviewing ? undefined : { value: look(moment) },
      )
      if (seen) return seen.value
    }
  }

  /** A signed entry as it is here. */
  blockAt(feed: FeedId, seq: number): Uint8Array | undefined {
    return this.#feeds.at(feed, seq)?.bytes
  }

  /** What the author of the feed's newest entry had seen. */
  seenBy(feed: FeedId): Frontier {
    return this.#sequencer.feed(feed).seen
  }

  /**
   * Puts a snapshot's rows in the place of a lane's. What the lane has beyond it is applied again behind it.
   * @throws Fault SNAPSHOT_INVALID
   */
  async install(
    snapshot: SnapshotRow,
    open: SnapshotBytes,
    isUsable: () => Promise<boolean> = async () => true,
  ): Promise<void> {
    const lane = snapshot.lane as Lane
    try {
      await this.#ingest.idle()
      await this.#installer.install(snapshot, open, isUsable)
    } finally {
      this.#position = undefined
      for (const feed of this.#heads.keys()) if (parseFeedId(feed).lane === lane) this.#heads.delete(feed)
      for (const feed of Object.keys(part(this.frontier(), lane))) this.#moved.add(feed)
    }
    await this.#takeAside(lane)
  }

  /** Says durably that the lane's log goes back no further; the rows go later. */
  async raiseFloor(lane: Lane, floor: Floor): Promise<void> {
    await this.#store.write([this.#floors.write(lane, floor)])
    this.#floors.set(lane, floor)
  }

  /** Deletes what lies below the floors, in slices. @param rest waits between two */
  async deleteBelowFloors(rest: () => Promise<void>): Promise<number> {
    let entries = 0
    for (const [, { frontier }] of this.#floors.all()) {
      for (const [feed, seq] of Object.entries(frontier)) {
        const range = { gte: blockKey(feed, 0), lt: blockKey(feed, seq) }
        entries += await deleteRange(this.#store, range, rest, (_, row) => [
          { type: 'del', key: indexKey(feed, decodeBlock(row).hash) },
        ])
      }
    }
    return entries
  }

  /** A month of trail that is kept no longer: neither asked for nor taken in. */
  isExpired(lane: Lane): boolean {
    return isExpired(lane, this.#clock.now(), this.#trailMonths)
  }

  /**
   * Lets go of a month of trail: rows and log, but for each feed's newest entry. Once all have, it is as if it
   * had never been; until then positions differ, so that nobody compares hashes.
   */
  async dropLane(lane: Lane, rest: () => Promise<void> = async () => {}): Promise<void> {
    const frontier = part(this.frontier(), lane)
    const floor = this.#floors.of(lane)
    if (floor?.snapshot === null && covers(floor.frontier, frontier)) return
    await this.raiseFloor(lane, { snapshot: null, frontier })
    this.#position = undefined
    for (let whole = false; !whole; await rest()) {
      await this.#sequencer.replace(async () => {
        whole = await dropRows(this.#store, lane, this.#sequencer.tables.hashOf(familyOf(lane)))
      })
    }
    this.#position = undefined
    await this.deleteBelowFloors(rest)
  }

  #isDropped(lane: Lane): boolean {
    return this.#floors.of(lane)?.snapshot === null
  }

  floors(): ReadonlyMap<Lane, Floor> {
    return this.#floors.all()
  }

  /** Lanes of those ranges whose log here begins behind where the range does. */
  pruned(ranges: readonly FeedRange[]): Pruned[] {
    const lanes = new Set(
      ranges
        .filter(({ feed, from }) => from < this.#floors.at(feed))
        .map(({ feed }) => parseFeedId(feed).lane),
    )
    return [...lanes].map((lane) => ({ lane, snapshot: this.#floors.of(lane)?.snapshot ?? null }))
  }

  /** Applies again what was put aside, as far as it fits by now. */
  async takeAside(): Promise<void> {
    for (const lane of this.#installer.unsettled()) await this.#takeAside(lane)
  }

  async #takeAside(lane: Lane): Promise<void> {
    const blocks = await this.#installer.aside(lane)
    if (blocks.length > 0) await this.take(blocks, this.node)
    await this.#installer.settle(lane)
  }

  /** The feed goes no further here, for its author signed two entries of one number. */
  isForked(feed: FeedId): boolean {
    return this.#forks.has(feed)
  }

  /** The first number of the feed that counts nowhere; infinite while there is none. */
  forkedAt(feed: FeedId): number {
    return this.#forks.at(feed)
  }

  #straightened(changes: readonly TableChange[]): void {
    this.#position = undefined
    for (const feed of this.#heads.keys()) if (this.#forks.has(feed)) this.#heads.delete(feed)
    for (const feed of Object.keys(this.frontier())) this.#moved.add(feed)
    for (const listener of this.#retoldListeners) listener(changes)
  }

  /** What to ask a peer for that stands there. */
  wanted(there: Heads): FeedRange[] {
    return rangesWanted(
      this.position().heads,
      there,
      (feed, seq) => this.#feeds.at(feed, seq)?.hash,
      (feed) => this.forkedAt(feed),
    )
  }

  /** Signed blocks, each after all it had seen. */
  async *blocks(ranges: readonly FeedRange[]): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#feeds.inCausalOrder(ranges)) yield bytes
  }

  status(): LedgerStatus {
    const seqs = Object.values(this.#sequencer.frontier())
    return {
      feeds: seqs.length,
      entries: seqs.reduce((sum, seq) => sum + seq, 0),
      writable: !this.#forks.hasOf(this.node),
      forks: this.#forks.list().map(({ feed, seq, held, rival }) => ({ feed, seq, held, rival })),
      refused: this.#ingest.refusals,
      parked: this.#ingest.parked,
      lanes: this.#lanes(),
    }
  }

  #lanes(): LaneStatus[] {
    const frontier = this.#sequencer.frontier()
    const lanes = [...new Set(Object.keys(frontier).map((feed) => parseFeedId(feed).lane))].sort()
    return lanes.map((lane) => {
      const feeds = Object.entries(part(frontier, lane))
      const entries = feeds.reduce((sum, [, seq]) => sum + seq, 0)
      const gone = feeds.reduce((sum, [feed]) => sum + this.#floors.at(feed) - 1, 0)
      const sample = feeds.flatMap(([feed, seq]) => {
        const first = Math.max(this.#floors.at(feed), seq - SAMPLED_ENTRIES + 1)
        return Array.from({ length: seq - first + 1 }, (_, n) => this.blockAt(feed, first + n)?.length ?? 0)
      })
      const mean = sample.reduce((sum, bytes) => sum + bytes, 0) / Math.max(1, sample.length)
      const snapshot = this.#floors.of(lane)?.snapshot ?? null
      const logBytes = Math.round((entries - gone) * mean)
      return { lane, entries, logBytes, pruned: { entries: gone, snapshot } }
    })
  }
}
