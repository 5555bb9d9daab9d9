import { decode, encode } from 'cborg'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { type FeedId, parseFeedId } from '../../src/journal/op.ts'
import type { NodeId } from '../network/network.ts'
import { FORKS, forkKey } from './layout.ts'

/** Proof that an author signed two entries of one seq: a node restored from an old backup, or a liar. */
export interface Fork {
  readonly feed: FeedId
  readonly seq: number
  /** Hash of the entry this node has applied. */
  readonly held: string
  /** Hash of the other one. */
  readonly rival: string
  /** The other one, as it was signed. */
  readonly rivalBlock: Uint8Array
}

/** Feeds that go no further here. One proof each is kept, for people and for other nodes' doctors. */
export class Forks {
  readonly #store: KeyValue
  readonly #forks = new Map<FeedId, Fork>()

  constructor(store: KeyValue) {
    this.#store = store
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

  /** Whether any of the node's feeds is forked. */
  hasOf(author: NodeId): boolean {
    return [...this.#forks.keys()].some((feed) => parseFeedId(feed).author === author)
  }

  list(): Fork[] {
    return [...this.#forks.values()]
  }

  async record(fork: Fork): Promise<void> {
    if (this.#forks.has(fork.feed)) return
    await this.#store.write([{ type: 'put', key: forkKey(fork.feed), value: encode(fork) }])
    this.#forks.set(fork.feed, fork)
  }
}
