import type { Block } from '../../../cluster/ledger/block-format.ts'
import { type FeedId, feedOf } from '../../../src/journal/op.ts'

/** Every block anybody signed in their own name, liars included. What is not here is forged. */
export class SignedBlocks {
  readonly #hashes = new Map<string, Set<string>>()
  /** Feeds with two blocks of one number. */
  readonly forked = new Set<FeedId>()

  add({ entry, hash }: Pick<Block, 'entry' | 'hash'>): void {
    const feed = feedOf(entry)
    const at = `${feed}/${entry.seq}`
    const hashes = this.#hashes.get(at) ?? new Set()
    this.#hashes.set(at, hashes.add(hash))
    if (hashes.size > 1) this.forked.add(feed)
  }

  has(feed: FeedId, seq: number, hash: string): boolean {
    return this.#hashes.get(`${feed}/${seq}`)?.has(hash) ?? false
  }
}
