import { Fault } from '../../src/errors.ts'
import { makeDisputes } from '../../src/journal/content/make-disputes.ts'
import type { Committed, Journal, TableChange, Tables } from '../../src/journal/journal.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import {
  type Entry,
  type FeedId,
  FIRST_LIFE,
  type Frontier,
  feedId,
  feedOf,
  type Lane,
  type NewOp,
  parseFeedId,
} from '../../src/journal/op.ts'
import { Sequencer } from '../../src/journal/sequencer.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { TRAIL_MONTHS_DEFAULT } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import type { BlockFormat } from './block-format.ts'
import { Damage } from './damage.ts'
import { isDisowned } from './disowned.ts'
import { Forks } from './forks.ts'
import { Ingest, type Taken } from './ingest.ts'
import type { LedgerStatus } from './ledger-status.ts'
import { type Heads, type Position, rangesWanted } from './position.ts'
import { Quarantine } from './quarantine.ts'
import { whyReadOnly } from './read-only.ts'
import { Floors } from './snapshots/floors.ts'
import { LaneInstaller } from './snapshots/lane-installer.ts'
import { LaneKeeper } from './snapshots/lane-keeper.ts'
import { type Inspection, type Look, Soundness } from './soundness.ts'
import { Standing } from './standing.ts'
import { StoredArchive } from './stored-archive.ts'
import { type FeedRange, StoredFeeds } from './stored-feeds.ts'
import { TableMend } from './table-mend.ts'

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
  /** Rows kept decoded in memory, where the default is too many. */
  readonly cachedRows?: number
}

/**
 * The journal of a member: every node's entries as signed logs, applied through the same sequencer
 * as a single node's. By itself it neither sends nor listens (`init`, `doctor`); `Replication` does.
 */
export class ReplicatedJournal implements Journal {
  readonly node: NodeId
  readonly cluster: string
  /** Feeds whose author signed two histories. */
  readonly quarantine: Quarantine
  /** Lanes as a whole: snapshots of them, and what has been let go of. */
  readonly lanes: LaneKeeper
  readonly #store: KeyValue
  readonly #sequencer: Sequencer
  readonly #feeds: StoredFeeds
  readonly #damage: Damage
  readonly #forks: Forks
  readonly #floors: Floors
  readonly #soundness: Soundness
  readonly #tableMend: TableMend
  readonly #installer: LaneInstaller
  readonly #ingest: Ingest
  #gate: (() => Promise<void> | undefined) | undefined
  readonly #retoldListeners = new Set<(changes: readonly TableChange[]) => void>()
  readonly #ownListeners = new Set<(block: Uint8Array) => void>()
  readonly #standing: Standing

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
    cachedRows,
  }: ReplicatedJournalParts) {
    this.node = node
    this.cluster = clusterId
    this.#store = store
    this.#floors = new Floors(store)
    this.#damage = new Damage({ store, format, floors: this.#floors, log })
    this.#feeds = new StoredFeeds(store, this.#damage)
    this.#forks = new Forks(store, this.#floors)
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
      ...(cachedRows !== undefined && { cachedRows }),
      excused: (feed) => this.#forks.has(feed) || this.isDisowned(feed),
    })
    this.#soundness = new Soundness({
      store,
      node,
      format,
      feeds: this.#feeds,
      floors: this.#floors,
      damage: this.#damage,
      sequencer: this.#sequencer,
      log,
    })
    this.#installer = new LaneInstaller({
      store,
      sequencer: this.#sequencer,
      format,
      cluster: clusterId,
      node,
      floors: this.#floors,
    })
    this.lanes = new LaneKeeper({
      store,
      sequencer: this.#sequencer,
      feeds: this.#feeds,
      floors: this.#floors,
      installer: this.#installer,
      clock,
      trailMonths,
      idle: () => this.#ingest.idle(),
      take: (blocks) => this.take(blocks, this.node),
      onMoved: (lane) => this.#standing.forget(lane),
    })
    this.#ingest = new Ingest({
      format,
      cluster: clusterId,
      sequencer: this.#sequencer,
      feeds: this.#feeds,
      forks: this.#forks,
      floors: this.#floors,
      damage: this.#damage,
      isExpired: (lane) => this.lanes.isExpired(lane),
      isClosed: (lane) => this.#installer.closed.has(lane),
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
      idle: () => this.#ingest.idle(),
      onStraightened: (changes) => this.#straightened(changes),
    })
    this.#tableMend = new TableMend({
      store,
      feeds: this.#feeds,
      archive,
      floors: this.#floors,
      damage: this.#damage,
      forks: this.#forks,
      format,
      node,
      cluster: clusterId,
      clock,
      sequencer: this.#sequencer,
      onMended: (changes) => this.#straightened(changes),
    })
    this.#standing = new Standing({
      sequencer: this.#sequencer,
      feeds: this.#feeds,
      damage: this.#damage,
      isDropped: (lane) => this.lanes.isDropped(lane),
    })
    this.#sequencer.onApplied(({ entries }) => this.#standing.moved(entries.map(feedOf)))
  }

  /** @throws Fault LEDGER_DAMAGED when records and logs in the store do not belong together */
  async open(): Promise<void> {
    await this.#installer.recover()
    await makeDisputes(this.#store)
    // What was cleared up took rows out of the state hash.
    this.#sequencer.tables.reload()
    await this.#floors.open()
    await this.#soundness.checkStates()
    await this.#sequencer.open()
    await this.#forks.open()
    await this.#soundness.checkEnds()
    this.#standing.forget()
    await this.lanes.takeAside()
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

  /** Tries again what was to be decided again and could not be written. */
  resumeReviews(): void {
    this.#sequencer.resumeReviews()
  }

  /** Everything that was to be decided again has been. */
  settled(): Promise<void> {
    return this.#sequencer.settled()
  }

  get tables(): Tables {
    return this.#sequencer.tables
  }

  async commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    const { closed } = this.#installer
    const held = this.#gate?.()
    if (held) await held
    for (let opened = closed.reopening(lane); opened; opened = closed.reopening(lane)) await opened
    const committed = await this.#sequencer.commit(lane, (tables) => {
      this.#requireWritable()
      const feed = feedId(lane, this.node, this.life)
      if (this.#damage.isWaiting(feed, this.#sequencer.feed(feed).seq)) {
        throw new Fault(
          'JOURNAL_BUSY',
          'the end of this node’s log is damaged and being fetched from a member',
        )
      }
      // Going on without what this node has written itself would give numbers away twice.
      if (closed.has(lane) || this.#installer.owes(lane)) {
        throw new Fault('JOURNAL_BUSY', 'the records are being fetched from another member; try again')
      }
      return plan(tables)
    })
    // A proof may have come while it was written: what is known to count nowhere is not acknowledged.
    this.#requireWritable()
    return committed
  }

  #requireWritable(): void {
    const why = whyReadOnly(this.node, this.#forks, this.tables)
    if (why !== undefined) throw new Fault('JOURNAL_READ_ONLY', why)
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
    return this.#standing.position
  }

  /** What the author of the feed's newest entry had seen. */
  seenBy(feed: FeedId): Frontier {
    return this.#sequencer.feed(feed).seen
  }

  /** The feed goes no further here, for its author signed two entries of one number. */
  isForked(feed: FeedId): boolean {
    return this.#forks.has(feed)
  }

  /** The first number of the feed that counts nowhere; infinite while there is none. */
  forkedAt(feed: FeedId): number {
    return this.#forks.at(feed)
  }

  /** What admitted the feed's author was taken back, or is not here yet. */
  isDisowned(feed: FeedId): boolean {
    return isDisowned(feed, this.#forks, this.tables)
  }

  #straightened(changes: readonly TableChange[]): void {
    this.#standing.forget()
    for (const listener of this.#retoldListeners) listener(changes)
  }

  /** What to ask a peer for that stands there. */
  wanted(there: Heads): FeedRange[] {
    const missing = rangesWanted(
      this.position().heads,
      there,
      (feed, seq) => this.#feeds.at(feed, seq)?.hash,
      (feed) => this.forkedAt(feed),
    )
    return [...missing, ...this.#damage.wanted(there)].filter(({ feed }) => {
      const { lane } = parseFeedId(feed)
      return !this.lanes.isDropped(lane) && !this.lanes.isExpired(lane)
    })
  }

  /** Signed blocks, each after all it had seen. */
  async *blocks(ranges: readonly FeedRange[]): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#feeds.inCausalOrder(ranges)) yield bytes
  }

  /**
   * Reads everything that is stored, and says what the disk has changed; damaged entries are fetched again.
   * @param rest waits now and then, so that others get their turn
   */
  async inspect(rest: () => Promise<void> = async () => {}, look: Look = {}): Promise<Inspection> {
    // Rows of a lane that a snapshot is put down for are not counted yet.
    await this.#installer.closed.none()
    return this.#soundness.inspect(rest, look)
  }

  /** Makes the tables anew from the logs. @returns rows that stood otherwise. @throws Fault where logs lack what it takes */
  mendTables(): Promise<number> {
    return this.#tableMend.mend()
  }

  status(): LedgerStatus {
    const seqs = Object.values(this.#sequencer.frontier())
    return {
      feeds: seqs.length,
      entries: seqs.reduce((sum, seq) => sum + seq, 0),
      writable: whyReadOnly(this.node, this.#forks, this.tables) === undefined,
      forks: this.#forks.list().map(({ feed, seq, held, rival }) => ({ feed, seq, held, rival })),
      refused: this.#ingest.refusals,
      parked: this.#ingest.parked,
      ...this.#ingest.oddities,
      damaged: this.#damage.status,
      lanes: this.lanes.status(),
    }
  }
}
