import { type Entry, type FeedId, type Frontier, feedOf, type Op, opId } from '../../src/journal/op.ts'

/** How far one node has come, told by the entries it applied: worked out apart from the product's own books. */
export class Past {
  readonly seqs = new Map<FeedId, number>()
  /** Depth of each entry of a feed, the first at 0. */
  readonly #depths = new Map<FeedId, number[]>()
  readonly #seen = new Map<FeedId, Frontier>()

  /** @returns the entry's ops with the whole of what their author had seen */
  apply(entry: Entry): Op[] {
    const feed = feedOf(entry)
    const past = { ...this.#seen.get(feed), ...entry.seen }
    this.#seen.set(feed, past)
    this.seqs.set(feed, entry.seq)
    const depths = this.#depths.get(feed) ?? []
    depths[entry.seq - 1] = entry.depth
    this.#depths.set(feed, depths)
    const { author, cluster, depth, time, seq } = entry
    return entry.ops.map((one, index) => {
      const dot = { feed, seq, index }
      return { ...one, id: opId(dot), dot, author, cluster, depth, time, past }
    })
  }

  /** What the author of the feed had seen at its newest entry. */
  seen(feed: FeedId): Frontier {
    return this.#seen.get(feed) ?? {}
  }

  depthAt(feed: FeedId, seq: number): number {
    return this.#depths.get(feed)?.[seq - 1] ?? 0
  }

  /** The depth an entry has that has seen so much. */
  depthAfter(seen: Frontier): number {
    return 1 + Object.entries(seen).reduce((most, [feed, seq]) => Math.max(most, this.depthAt(feed, seq)), 0)
  }
}
