import { type FeedId, type Lane, parseFeedId } from '../../src/journal/op.ts'
import type { Sequencer } from '../../src/journal/sequencer.ts'
import type { Damage } from './damage.ts'
import { type Head, type Position, positionOf } from './position.ts'
import type { StoredFeeds } from './stored-feeds.ts'

export interface StandingParts {
  readonly sequencer: Pick<Sequencer, 'feed' | 'frontier' | 'tables' | 'isReviewing'>
  readonly feeds: Pick<StoredFeeds, 'at' | 'headHash'>
  readonly damage: Pick<Damage, 'mark'>
  /** Let go of for good: others are not told how far it went. */
  readonly isDropped: (lane: Lane) => boolean
}

/** Where this node stands, looked up no more often than it moves. */
export class Standing {
  readonly #parts: StandingParts
  #position: Position | undefined
  /** The damage it was worked out with. */
  #marked = ''
  readonly #heads = new Map<FeedId, Head>()
  /** Feeds whose head has moved since it was last looked at. */
  readonly #moved = new Set<FeedId>()

  constructor(parts: StandingParts) {
    this.#parts = parts
  }

  /** Heads and state hash of one moment. */
  get position(): Position {
    const { sequencer, feeds, damage, isDropped } = this.#parts
    // What is decided again changes the tables without moving a feed.
    const isLasting = this.#position?.stateHash !== null && this.#marked === damage.mark
    if (this.#position && isLasting) return this.#position
    this.#marked = damage.mark
    for (const feed of this.#moved) {
      const { seq } = sequencer.feed(feed)
      const hash = feeds.at(feed, seq)?.hash ?? feeds.headHash(feed)
      if (hash !== undefined) this.#heads.set(feed, { seq, hash })
    }
    this.#moved.clear()
    const heads = [...this.#heads].filter(([feed]) => !isDropped(parseFeedId(feed).lane))
    const stateHash = sequencer.isReviewing ? null : sequencer.tables.stateHash()
    this.#position = positionOf(new Map(heads), stateHash, damage.mark)
    return this.#position
  }

  /** Those feeds have gone on. */
  moved(feeds: readonly FeedId[]): void {
    this.#position = undefined
    for (const feed of feeds) this.#moved.add(feed)
  }

  /** All is to be looked up anew, or one lane alone. */
  forget(lane?: Lane): void {
    const isOf = (feed: FeedId) => lane === undefined || parseFeedId(feed).lane === lane
    for (const feed of [...this.#heads.keys()].filter(isOf)) this.#heads.delete(feed)
    this.moved(Object.keys(this.#parts.sequencer.frontier()).filter(isOf))
  }
}
