import type { KeyValue } from '../../src/journal/key-value.ts'
import type { FeedId } from '../../src/journal/op.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Block, BlockFormat } from './block-format.ts'
import { blockRows, type StoredBlock } from './layout.ts'
import type { Heads } from './position.ts'
import type { Floors } from './snapshots/floors.ts'
import type { FeedRange, StoredFeeds } from './stored-feeds.ts'

/** Damaged entries asked for at a time: bounds the question. */
const ASKED_MAX = 64
/** Damaged entries that are known by number; a disk that damages more is to be replaced. */
const KNOWN_MAX = 10_000

export interface DamageStatus {
  /** Entries whose stored bytes are not what their author signed, and which nobody has sent again yet. */
  readonly waiting: number
  /** Entries that were fetched again since the start. */
  readonly mended: number
}

/**
 * Entries that the disk has changed since they were checked and written. They are handed to nobody, never held
 * against who sends the right one, and asked for again from members that have them, this node's own among them.
 */
export class Damage {
  readonly #store: KeyValue
  readonly #format: BlockFormat
  readonly #floors: Floors
  readonly #log: Logger
  readonly #waiting = new Map<string, { readonly feed: FeedId; readonly seq: number }>()
  #mended = 0

  constructor(parts: { store: KeyValue; format: BlockFormat; floors: Floors; log: Logger }) {
    this.#floors = parts.floors
    this.#store = parts.store
    this.#format = parts.format
    this.#log = parts.log
  }

  get status(): DamageStatus {
    return { waiting: this.#waiting.size, mended: this.#mended }
  }

  /** Tells one state of damage from another. */
  get mark(): string {
    return this.#waiting.size === 0 ? '' : `${this.#waiting.size} damaged, ${this.#mended} mended`
  }

  isWhole(block: StoredBlock): boolean {
    return this.#format.hashOf(block.bytes) === block.hash
  }

  found(feed: FeedId, seq: number): void {
    const key = `${feed}/${seq}`
    // What was let go of is not missed.
    if (seq < this.#floors.at(feed)) return
    if (this.#waiting.has(key) || this.#waiting.size >= KNOWN_MAX) return
    this.#waiting.set(key, { feed, seq })
    this.#log.error({ feed, seq }, 'a stored entry is damaged: it is asked for again')
  }

  /** What to ask a peer for that stands there. */
  wanted(there: Heads): FeedRange[] {
    return [...this.#waiting.values()]
      .filter(({ feed, seq }) => (there.get(feed)?.seq ?? 0) >= seq)
      .slice(0, ASKED_MAX)
      .map(({ feed, seq }) => ({ feed, from: seq, to: seq }))
  }

  isWaiting(feed: FeedId, seq: number): boolean {
    return this.#waiting.has(`${feed}/${seq}`)
  }

  /**
   * Puts an entry whose signature was checked in the place of what was damaged.
   * @returns `whole` where nothing was; else the entry is no proof of a fork, whatever is stored at its place
   */
  async mend(block: Block, feeds: StoredFeeds): Promise<'whole' | 'mended' | 'damaged'> {
    const { feed, entry, hash, bytes } = block
    const key = `${feed}/${entry.seq}`
    feeds.checked(feed, entry.seq)
    if (!this.#waiting.has(key)) return 'whole'
    if (!this.#isTheOne(block, feeds)) return 'damaged'
    await this.#store.write(blockRows(feed, entry.seq, { hash, depth: entry.depth, bytes }))
    // The same may have come twice at once.
    if (!this.#waiting.delete(key)) return 'mended'
    this.#mended++
    this.#log.warn({ feed, seq: entry.seq }, 'a damaged entry was fetched again')
    return 'mended'
  }

  /** Its author may have signed another of that number; the one that was here is linked to what is around it. */
  #isTheOne({ feed, entry: { seq }, hash }: Block, feeds: StoredFeeds): boolean {
    if (feeds.seqOf(feed, hash) === seq || feeds.headHash(feed) === hash) return true
    const after = feeds.checked(feed, seq + 1)
    return after !== undefined && this.#format.nextOf(after.bytes) === hash
  }
}
