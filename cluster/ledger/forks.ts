import { decode, encode } from 'cborg'
import type { KeyValue, Write } from '../../src/journal/key-value.ts'
import { type FeedId, type Lane, parseFeedId } from '../../src/journal/op.ts'
import type { NodeId } from '../network/network.ts'
import { FORKS, forkKey } from './layout.ts'
import type { Floors } from './snapshots/floors.ts'

/** Proof that an author signed two entries of one seq: a node restored from an old backup, or a liar. */
export interface Fork {
  readonly feed: FeedId
  /** The first number that was given twice, as far as is known: the feed ends before it, everywhere. */
  readonly seq: number
  /** Hash of the entry this node had when it found out. */
  readonly held: string
  /** Hash of the other one. */
  readonly rival: string
  /** Both, as they were signed: with these anybody believes it. */
  readonly heldBlock: Uint8Array
  readonly rivalBlock: Uint8Array
}

/** Feeds that go no further. One proof each is kept, of the earliest fork that is known. */
export class Forks {
  readonly #store: KeyValue
  readonly #floors: Pick<Floors, 'of'>
  readonly #forks = new Map<FeedId, Fork>()
  readonly #listeners = new Set<(fork: Fork) => void>()
  /** Proven, and on their way to the disk. */
  readonly #recording = new Set<Fork>()
  #turn: Promise<void> = Promise.resolve()

  constructor(store: KeyValue, floors: Pick<Floors, 'of'>) {
    this.#store = store
    this.#floors = floors
  }

  async open(): Promise<void> {
    for await (const [, row] of this.#store.range(FORKS)) {
      const fork = decode(row) as Fork
      this.#forks.set(fork.feed, fork)
    }
  }

  has(feed: FeedId): boolean {
    return this.#forks.has(feed)
  }

  /**
   * The first number of the feed that counts nowhere; infinite while there is none. What a snapshot stands for is
   * taken apart no more: the history it holds stays as far as it goes, and what is cut begins behind it.
   */
  at(feed: FeedId): number {
    const fork = this.#forks.get(feed)
    if (!fork) return Number.POSITIVE_INFINITY
    return Math.max(fork.seq, (this.#floors.of(parseFeedId(feed).lane)?.frontier[feed] ?? 0) + 1)
  }

  /** Whether any feed of the lane is forked. */
  anyIn(lane: Lane): boolean {
    return [...this.#forks.keys()].some((feed) => parseFeedId(feed).lane === lane)
  }

  /** Whether any of the node's feeds is forked, from the moment it is proven. */
  hasOf(author: NodeId): boolean {
    return [...this.#forks.values(), ...this.#recording].some(
      ({ feed }) => parseFeedId(feed).author === author,
    )
  }

  list(): Fork[] {
    return [...this.#forks.values()]
  }

  /** Tells of each proof once it is durable. */
  onFork(listener: (fork: Fork) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** An earlier fork of a feed takes the place of a later one; one at a time, or it could be the other way round. */
  record(fork: Fork): Promise<void> {
    this.#recording.add(fork)
    const turn = this.#turn.then(() => this.#record(fork)).finally(() => this.#recording.delete(fork))
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #record(fork: Fork): Promise<void> {
    if (fork.seq >= (this.#forks.get(fork.feed)?.seq ?? Number.POSITIVE_INFINITY)) return
    const write: Write = { type: 'put', key: forkKey(fork.feed), value: encode(fork) }
    await this.#store.write([write])
    this.#forks.set(fork.feed, fork)
    for (const listener of this.#listeners) listener(fork)
  }
}
