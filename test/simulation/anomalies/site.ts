import type { Archive } from '../../../src/journal/feed-log.ts'
import type { Entry, FeedId, Lane, NewOp } from '../../../src/journal/op.ts'
import { FIRST_LIFE, feedOf } from '../../../src/journal/op.ts'
import { Sequencer } from '../../../src/journal/sequencer.ts'
import { MemoryStore, type Stored } from './memory-store.ts'

/** A node at rest: what it would start from. */
export interface Resting {
  readonly stored: Stored
  readonly entries: readonly Entry[]
}

/** A node's journal, with all it holds, so that others can be given it in any order. */
export class Site implements Archive {
  readonly node: string
  readonly sequencer: Sequencer
  readonly store: MemoryStore
  readonly #held = new Map<FeedId, Entry[]>()
  /** What its clock shows; nothing may depend on it. */
  time = 1

  constructor(node: string, cluster: string) {
    this.node = node
    this.store = new MemoryStore()
    this.sequencer = new Sequencer({
      store: this.store,
      archive: this,
      clock: { now: () => this.time, monotonic: () => 0 },
      node,
      cluster,
      cachedRows: 1000,
      log: {
        append: async (entry, _bytes, writes) => {
          this.#hold(entry)
          await this.store.write(writes)
        },
      },
    })
  }

  get tables(): Sequencer['tables'] {
    return this.sequencer.tables
  }

  /** Goes on from what a node had, in the node's first incarnation: cheaper than a new one. */
  async start({ stored, entries }: Resting): Promise<void> {
    this.#held.clear()
    for (const entry of entries) this.#hold(entry)
    this.time = 1
    this.sequencer.continueAs(FIRST_LIFE)
    await this.sequencer.replace(() => Promise.resolve(this.store.reset(stored)))
  }

  /** All it holds, each feed in order. */
  entries(): Entry[] {
    return [...this.#held.values()].flat()
  }

  /** @returns whether its own door let it through */
  async commit(lane: Lane, ...ops: readonly NewOp[]): Promise<readonly string[] | undefined> {
    try {
      return (await this.sequencer.commit(lane, () => ops)).ids
    } catch (error) {
      if ((error as { code?: string }).code === 'OP_REFUSED') return undefined
      throw error
    }
  }

  /** Takes a batch in; what it holds already or cannot place yet is left out. */
  async take(batch: readonly Entry[]): Promise<number> {
    // Held by the time the rows are there, as where both are one batch.
    const held = batch.filter((entry) => this.#hold(entry))
    const taken = await this.sequencer.ingest(batch.map((entry) => ({ entry, writes: [] })))
    for (const entry of batch.slice(taken).reverse())
      if (held.includes(entry)) this.#held.get(feedOf(entry))?.pop()
    return taken
  }

  rest(): Resting {
    return { stored: this.store.copy(), entries: this.entries() }
  }

  async *read(feed: FeedId, from: number): AsyncIterable<Entry> {
    yield* (this.#held.get(feed) ?? []).slice(Math.max(0, from - 1))
  }

  base(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  /** @returns whether it is the next of its feed */
  #hold(entry: Entry): boolean {
    const feed = feedOf(entry)
    const held = this.#held.get(feed) ?? []
    this.#held.set(feed, held)
    return entry.seq === held.length + 1 && held.push(entry) > 0
  }
}
