import { decode } from 'cborg'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { AUTHORITY, type FeedId, parseFeedId } from '../../src/journal/op.ts'
import {
  blockKey,
  decodeBlock,
  decodeHead,
  headKey,
  indexKey,
  type StoredBlock,
  seqOfBlockKey,
} from './layout.ts'

/** A stretch of a feed, both ends included. */
export interface FeedRange {
  readonly feed: FeedId
  readonly from: number
  readonly to: number
}

/** The blocks this node holds, as they were signed: its own and everybody else's. */
export class StoredFeeds {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  /** Hash of the newest block. */
  headHash(feed: FeedId): string | undefined {
    const row = this.#store.get(headKey(feed))
    return row && decodeHead(row)
  }

  at(feed: FeedId, seq: number): StoredBlock | undefined {
    const row = this.#store.get(blockKey(feed, seq))
    return row && decodeBlock(row)
  }

  seqOf(feed: FeedId, hash: string): number | undefined {
    const row = this.#store.get(indexKey(feed, hash))
    return row && (decode(row) as number)
  }

  /**
   * The blocks of those stretches so that each comes after everything it had seen: authority first, which
   * refers to nothing else, and by depth within, which grows along every line of causes.
   */
  async *inCausalOrder(ranges: readonly FeedRange[]): AsyncGenerator<StoredBlock> {
    const isAuthority = ({ feed }: FeedRange) => parseFeedId(feed).lane === AUTHORITY
    yield* this.#byDepth(ranges.filter(isAuthority))
    yield* this.#byDepth(ranges.filter((range) => !isAuthority(range)))
  }

  async *#byDepth(ranges: readonly FeedRange[]): AsyncGenerator<StoredBlock> {
    const cursors = ranges.map((range) => this.#blocks(range))
    try {
      const ready = new Map<AsyncGenerator<StoredBlock>, StoredBlock>()
      for (const cursor of cursors) await advance(ready, cursor)
      while (ready.size > 0) {
        const [cursor, block] = [...ready].reduce((a, b) => (b[1].depth < a[1].depth ? b : a))
        yield block
        await advance(ready, cursor)
      }
    } finally {
      for (const cursor of cursors) await cursor.return(undefined)
    }
  }

  /** From a number on, as far as the feed is held. */
  async *inOrder(feed: FeedId, from: number): AsyncGenerator<StoredBlock> {
    const range = { gte: blockKey(feed, from), lt: blockKey(feed, Number.MAX_SAFE_INTEGER) }
    for await (const [, row] of this.#store.range(range)) yield decodeBlock(row)
  }

  async *#blocks({ feed, from, to }: FeedRange): AsyncGenerator<StoredBlock> {
    let expected = from
    for await (const [key, row] of this.#store.range({
      gte: blockKey(feed, from),
      lt: blockKey(feed, to + 1),
    })) {
      // A gap could only be damage; what lies behind it is of no use to who asks.
      if (seqOfBlockKey(key) !== expected) return
      expected++
      yield decodeBlock(row)
    }
  }
}

async function advance(
  ready: Map<AsyncGenerator<StoredBlock>, StoredBlock>,
  cursor: AsyncGenerator<StoredBlock>,
): Promise<void> {
  const next = await cursor.next()
  if (next.done) ready.delete(cursor)
  else ready.set(cursor, next.value)
}
