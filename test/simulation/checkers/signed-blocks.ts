import type { Block } from '../../../cluster/ledger/block-format.ts'
import { type FeedId, feedOf, parseFeedId } from '../../../src/journal/op.ts'

/** Every block anybody signed in their own name, liars included. What is not here is forged. */
export class SignedBlocks {
  readonly #hashes = new Map<string, Set<string>>()
  /** Feeds with two blocks of one number. */
  readonly forked = new Set<FeedId>()
  /** Where each of them has two for the first time. */
  readonly #forkedAt = new Map<FeedId, number>()
  /** The newest of each feed. */
  readonly #last = new Map<FeedId, { seq: number; hash: string }>()

  /** @returns false where there is another one of that number */
  add({ entry, hash }: Pick<Block, 'entry' | 'hash'>): boolean {
    const feed = feedOf(entry)
    const at = `${feed}/${entry.seq}`
    const hashes = this.#hashes.get(at) ?? new Set()
    this.#hashes.set(at, hashes.add(hash))
    if ((this.#last.get(feed)?.seq ?? 0) <= entry.seq) this.#last.set(feed, { seq: entry.seq, hash })
    if (hashes.size > 1) {
      this.forked.add(feed)
      this.#forkedAt.set(feed, Math.min(this.#forkedAt.get(feed) ?? entry.seq, entry.seq))
    }
    return hashes.size === 1
  }

  /** Whether that number is where its author told two histories, or comes after. */
  isBehindFork(feed: FeedId, seq: number): boolean {
    return seq >= (this.#forkedAt.get(feed) ?? Number.POSITIVE_INFINITY)
  }

  /** Where each of the author's feeds ends. */
  feedsOf(author: string): [FeedId, { seq: number; hash: string }][] {
    return [...this.#last].filter(([feed]) => parseFeedId(feed).author === author)
  }

  has(feed: FeedId, seq: number, hash: string): boolean {
    return this.#hashes.get(`${feed}/${seq}`)?.has(hash) ?? false
  }
}
