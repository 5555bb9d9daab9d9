import { decode } from 'cborg'
import { Fault } from '../../src/errors.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { AUTHORITY, type FeedId, parseFeedId } from '../../src/journal/op.ts'
import {
  blockKey,
  decodeHead,
  headKey,
  indexKey,
  type StoredBlock,
  seqOfBlockKey,
  tryDecodeBlock,
} from './layout.ts'

/** A stretch of a feed, both ends included. */
export interface FeedRange {
  readonly feed: FeedId
  readonly from: number
  readonly to: number
}

/** Whether a block is what was written, and whom to tell where it is not. */
export interface BlockCheck {
  isWhole(block: StoredBlock): boolean
  found(feed: FeedId, seq: number): void
}

/** The blocks this node holds, as they were signed: its own and everybody else's. */
export class StoredFeeds {
  readonly #store: KeyValue
  readonly #check: BlockCheck | undefined

  /** @param check where what is read is to be held against its hash before anybody gets it */
  constructor(store: KeyValue, check?: BlockCheck) {
    this.#store = store
    this.#check = check
  }

  /** Hash of the newest block. */
  headHash(feed: FeedId): string | undefined {
    const row = this.#store.get(headKey(feed))
    try {
      return row && decodeHead(row)
    } catch {
      return undefined
    }
  }

  at(feed: FeedId, seq: number): StoredBlock | undefined {
    const row = this.#store.get(blockKey(feed, seq))
    if (!row) return undefined
    const block = tryDecodeBlock(row)
    if (!block) this.#check?.found(feed, seq)
    return block
  }

  /** As `at`, and held against its hash. */
  checked(feed: FeedId, seq: number): StoredBlock | undefined {
    const block = this.at(feed, seq)
    if (!block || this.#isWhole(block)) return block
    this.#check?.found(feed, seq)
    return undefined
  }

  seqOf(feed: FeedId, hash: string): number | undefined {
    const row = this.#store.get(indexKey(feed, hash))
    try {
      return row && (decode(row) as number)
    } catch {
      return undefined
    }
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

  /** From a number on, as far as the feed is held. @throws Fault LEDGER_DAMAGED at an entry that is not whole */
  async *inOrder(feed: FeedId, from: number): AsyncGenerator<StoredBlock> {
    const range = { gte: blockKey(feed, from), lt: blockKey(feed, Number.MAX_SAFE_INTEGER) }
    for await (const [key, row] of this.#store.range(range)) {
      const block = this.#whole(feed, seqOfBlockKey(key), row)
      if (block) yield block
      else {
        const facts = { feed, seq: seqOfBlockKey(key) }
        throw new Fault(
          'LEDGER_DAMAGED',
          'a stored entry is damaged: it is fetched again from a member',
          facts,
        )
      }
    }
  }

  async *#blocks({ feed, from, to }: FeedRange): AsyncGenerator<StoredBlock> {
    let expected = from
    for await (const [key, row] of this.#store.range({
      gte: blockKey(feed, from),
      lt: blockKey(feed, to + 1),
    })) {
      // A gap could only be damage; what lies behind it is of no use to who asks.
      if (seqOfBlockKey(key) !== expected) break
      const block = this.#whole(feed, expected, row)
      if (!block) return
      expected++
      yield block
    }
    // Written since the reading began, or missing.
    if (expected <= to && this.seqOfHead(feed) >= expected && !this.at(feed, expected))
      this.#check?.found(feed, expected)
  }

  /** As far as the log goes by what is noted of its head; 0 where that says nothing. */
  seqOfHead(feed: FeedId): number {
    const head = this.headHash(feed)
    return (head !== undefined && this.seqOf(feed, head)) || 0
  }

  #whole(feed: FeedId, seq: number, row: Uint8Array): StoredBlock | undefined {
    const block = tryDecodeBlock(row)
    if (block && this.#isWhole(block)) return block
    this.#check?.found(feed, seq)
    return undefined
  }

  #isWhole(block: StoredBlock): boolean {
    return this.#check?.isWhole(block) ?? true
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
