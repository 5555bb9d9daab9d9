import type { Tables } from '../../src/journal/journal.ts'
import type { FeedId, Lane } from '../../src/journal/op.ts'
import type { Sequencer } from '../../src/journal/sequencer.ts'
import type { Block } from './block-format.ts'
import { isAdmitted, isDisowned } from './disowned.ts'
import type { Forks } from './forks.ts'
import type { FeedPoint, View } from './judge.ts'
import type { Floors } from './snapshots/floors.ts'
import type { StoredFeeds } from './stored-feeds.ts'

/** The feeds as they stand, with the blocks of a batch that is about to be applied laid over them. */
export class IngestView implements View {
  readonly #sequencer: Sequencer
  readonly #tables: Pick<Tables, 'get'>
  readonly #feeds: StoredFeeds
  readonly #forks: Forks
  readonly #floors: Floors
  readonly #isExpired: (lane: Lane) => boolean
  readonly #ahead = new Map<FeedId, FeedPoint>()
  readonly #blocks = new Map<string, { depth: number; hash: string }>()

  constructor(parts: {
    sequencer: Sequencer
    feeds: StoredFeeds
    forks: Forks
    floors: Floors
    isExpired: (lane: Lane) => boolean
  }) {
    this.#sequencer = parts.sequencer
    this.#tables = parts.sequencer.tables
    this.#feeds = parts.feeds
    this.#forks = parts.forks
    this.#floors = parts.floors
    this.#isExpired = parts.isExpired
  }

  feed(feed: FeedId): FeedPoint {
    return this.#ahead.get(feed) ?? { ...this.#sequencer.feed(feed), hash: this.#feeds.headHash(feed) }
  }

  at(feed: FeedId, seq: number): { depth: number; hash: string } | undefined {
    return this.#blocks.get(`${feed}/${seq}`) ?? this.#feeds.at(feed, seq)
  }

  isAdmitted(author: string): boolean {
    return isAdmitted(author, this.#tables)
  }

  isExpired(lane: Lane): boolean {
    return this.#isExpired(lane)
  }

  floor(feed: FeedId): number {
    return this.#floors.at(feed)
  }

  forkedAt(feed: FeedId): number {
    return this.#forks.at(feed)
  }

  isForked(feed: FeedId): boolean {
    return this.#forks.has(feed)
  }

  isDisowned(feed: FeedId): boolean {
    return isDisowned(feed, this.#forks, this.#tables)
  }

  /** Lays a block over, as if it had been applied. */
  advance({ entry, feed, hash }: Block): void {
    const seen = { ...this.feed(feed).seen, ...entry.seen }
    this.#ahead.set(feed, { seq: entry.seq, depth: entry.depth, seen, hash })
    this.#blocks.set(`${feed}/${entry.seq}`, { depth: entry.depth, hash })
  }

  /** What was laid over has been applied, or never will be. */
  reset(): void {
    this.#ahead.clear()
    this.#blocks.clear()
  }
}
