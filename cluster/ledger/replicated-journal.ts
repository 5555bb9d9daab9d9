import { Fault } from '../../src/errors.ts'
import type { Committed, Journal, TableChange, Tables } from '../../src/journal/journal.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import {
  type Entry,
  type FeedId,
  type Frontier,
  feedId,
  type Lane,
  type NewOp,
} from '../../src/journal/op.ts'
import { Sequencer } from '../../src/journal/sequencer.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { NodeId } from '../network/network.ts'
import type { BlockFormat } from './block-format.ts'
import { type Fork, Forks } from './forks.ts'
import { Ingest, type Taken } from './ingest.ts'
import { type Head, type Heads, type Position, positionOf, rangesWanted } from './position.ts'
import { type FeedRange, StoredFeeds } from './stored-feeds.ts'

export interface ReplicatedJournalParts {
  readonly store: KeyValue
  readonly node: NodeId
  readonly format: BlockFormat
  readonly clusterId: string
  readonly clock: Clock
  readonly log: Logger
}

/** What an operator may want to know of the ledger beside the tables. */
export interface LedgerStatus {
  readonly feeds: number
  readonly entries: number
  /** False once this node's own feed turned out to be forked: it must be set up anew, as another node. */
  readonly writable: boolean
  readonly forks: readonly Omit<Fork, 'rivalBlock'>[]
  /** How often each reason made an entry be refused, since the start. */
  readonly refused: Readonly<Record<string, number>>
  readonly parked: { readonly blocks: number; readonly bytes: number }
}

/**
 * The journal of a member: every node's entries as signed logs, applied through the same sequencer
 * as a single node's. By itself it neither sends nor listens (`init`, `doctor`); `Replication` does.
 */
export class ReplicatedJournal implements Journal {
  readonly node: NodeId
  readonly cluster: string
  readonly #sequencer: Sequencer
  readonly #feeds: StoredFeeds
  readonly #forks: Forks
  readonly #ingest: Ingest
  readonly #ownListeners = new Set<(block: Uint8Array) => void>()
  #position: Position | undefined
  readonly #heads = new Map<FeedId, Head>()
  /** Feeds whose head has moved since it was last looked at. */
  readonly #moved = new Set<FeedId>()

  constructor({ store, node, format, clusterId, clock, log }: ReplicatedJournalParts) {
    this.node = node
    this.cluster = clusterId
    this.#feeds = new StoredFeeds(store)
    this.#forks = new Forks(store)
    const onAppended = (block: Uint8Array) => {
      for (const listener of this.#ownListeners) listener(block)
    }
    this.#sequencer = new Sequencer({
      store,
      clock,
      node: this.node,
      cluster: clusterId,
      log: format.ownLog({ store, cluster: clusterId, onAppended }),
      excused: (feed) => this.#forks.has(feed),
    })
    this.#ingest = new Ingest({
      format,
      cluster: clusterId,
      sequencer: this.#sequencer,
      feeds: this.#feeds,
      forks: this.#forks,
      log,
    })
    this.#sequencer.onApplied(({ entries }) => {
      this.#position = undefined
      for (const { lane, author } of entries) this.#moved.add(feedId(lane, author))
    })
  }

  /** @throws Fault LEDGER_DAMAGED when records and logs in the store do not belong together */
  async open(): Promise<void> {
    await this.#sequencer.open()
    await this.#forks.open()
    for (const [feed, seq] of Object.entries(this.#sequencer.frontier())) {
      const head = this.#feeds.headHash(feed)
      if (head === undefined || this.#feeds.at(feed, seq)?.hash !== head) {
        throw new Fault('LEDGER_DAMAGED', `the log ${feed} does not end where its records do`, { feed, seq })
      }
      this.#moved.add(feed)
    }
  }

  /** Refuses new work and waits for what was taken on. */
  async close(): Promise<void> {
    await this.#ingest.idle()
    await this.#sequencer.close()
  }

  get tables(): Tables {
    return this.#sequencer.tables
  }

  async commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    if (this.#forks.hasOf(this.node)) {
      throw new Fault(
        'JOURNAL_READ_ONLY',
        'two histories exist under this node’s name (was it restored from a backup?): let it join anew',
      )
    }
    return this.#sequencer.commit(lane, plan)
  }

  onChange(listener: (changes: readonly TableChange[]) => void): () => void {
    return this.#sequencer.onApplied(({ changes }) => listener(changes))
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
    this.#position = positionOf(new Map(this.#heads), this.stateHash())
    return this.#position
  }

  /** The feed goes no further here, for its author signed two entries of one number. */
  isForked(feed: FeedId): boolean {
    return this.#forks.has(feed)
  }

  /** What to ask a peer for that stands there. */
  wanted(there: Heads): FeedRange[] {
    return rangesWanted(
      this.position().heads,
      there,
      (feed, seq) => this.#feeds.at(feed, seq)?.hash,
      (feed) => this.isForked(feed),
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
    }
  }
}
