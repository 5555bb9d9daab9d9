import { decode } from 'cborg'
import { Fault } from '../../src/errors.ts'
import type { Archive } from '../../src/journal/feed-log.ts'
import type { TableChange } from '../../src/journal/journal.ts'
import type { KeyRange, KeyValue, Write } from '../../src/journal/key-value.ts'
import type { Entry, FeedId, Frontier } from '../../src/journal/op.ts'
import type { Rows, TableName } from '../../src/journal/rows.ts'
import { Sequencer } from '../../src/journal/sequencer.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { INGEST_BATCH_BLOCKS_MAX } from '../limits.ts'
import { deleteRange } from './snapshots/slices.ts'
import type { StoredFeeds } from './stored-feeds.ts'

/** Where the tables are told anew, beside those in use. */
const SHADOW = 'retold/'
/** All that the sequencer makes of the entries. */
const MADE: readonly string[] = ['feed/', 'state-hash/', 't/']

export interface RetellingParts {
  readonly store: KeyValue
  readonly feeds: StoredFeeds
  readonly archive: Archive
  readonly entryOf: (block: Uint8Array) => Entry
  readonly node: string
  readonly cluster: string
  readonly clock: Clock
  readonly excused: (feed: FeedId) => boolean
}

/**
 * The tables as the entries up to a frontier make them, told from the first entry on in rows of their own while
 * the others stay in use. Taking an entry back out of the tables is not possible otherwise: others have decided
 * on what it said.
 */
export class Retelling {
  readonly #parts: RetellingParts
  readonly #sequencer: Sequencer

  constructor(parts: RetellingParts) {
    this.#parts = parts
    const { node, cluster, clock, archive, excused } = parts
    const log = {
      append: () => Promise.reject(new Fault('LOG_BROKEN', 'nothing is written while the past is told anew')),
    }
    const store = new Prefixed(parts.store)
    this.#sequencer = new Sequencer({ store, log, archive, clock, node, cluster, excused })
  }

  /** Nothing is left of an earlier attempt. */
  async begin(): Promise<void> {
    await deleteRange(this.#parts.store, all(SHADOW))
    await this.#sequencer.open()
  }

  /** Applies what is not applied yet. */
  async tell(to: Frontier): Promise<void> {
    const { feeds, entryOf } = this.#parts
    const told = this.#sequencer.frontier()
    const ranges = Object.entries(to)
      .filter(([feed, seq]) => seq > (told[feed] ?? 0))
      .map(([feed, seq]) => ({ feed, from: (told[feed] ?? 0) + 1, to: seq }))
    let batch: Entry[] = []
    const flush = async () => {
      const entries = batch.map((entry) => ({ entry, writes: [] }))
      batch = []
      const applied = await this.#sequencer.ingest(entries)
      if (applied < entries.length)
        throw new Fault('RETELLING_STUCK', 'the log does not hold all that its entries rest on')
    }
    for await (const { bytes } of feeds.inCausalOrder(ranges)) {
      batch.push(entryOf(bytes))
      if (batch.length >= INGEST_BATCH_BLOCKS_MAX) await flush()
    }
    if (batch.length > 0) await flush()
    await this.#sequencer.settled()
  }

  /** What of the rows in use differs: the writes that mend it, and the changes others want to hear of. */
  async difference(): Promise<{ writes: Write[]; changes: TableChange[] }> {
    const { store } = this.#parts
    const writes: Write[] = []
    for (const prefix of MADE) {
      const ours = store.range(all(prefix))[Symbol.asyncIterator]()
      const told = store.range(all(SHADOW + prefix))[Symbol.asyncIterator]()
      let [a, b] = [await ours.next(), await told.next()]
      while (!a.done || !b.done) {
        const [oldKey, oldRow] = a.done ? [undefined, undefined] : a.value
        const [newKey, newRow] = b.done
          ? [undefined, undefined]
          : [b.value[0].slice(SHADOW.length), b.value[1]]
        const order = compare(oldKey, newKey)
        if (order < 0) writes.push({ type: 'del', key: oldKey as string })
        else if (order > 0 || Buffer.compare(oldRow as Uint8Array, newRow as Uint8Array) !== 0)
          writes.push({ type: 'put', key: newKey as string, value: newRow as Uint8Array })
        if (order <= 0) a = await ours.next()
        if (order >= 0) b = await told.next()
      }
    }
    return { writes, changes: writes.flatMap(changeOf) }
  }

  async end(): Promise<void> {
    await this.#sequencer.close()
    await deleteRange(this.#parts.store, all(SHADOW))
  }
}

/** The same store, under keys of its own. */
class Prefixed implements KeyValue {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  get(key: string): Uint8Array | undefined {
    return this.#store.get(SHADOW + key)
  }

  async *range({ gte, lt, ...rest }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    for await (const [key, row] of this.#store.range({ gte: SHADOW + gte, lt: SHADOW + lt, ...rest }))
      yield [key.slice(SHADOW.length), row]
  }

  write(batch: readonly Write[]): Promise<void> {
    return this.#store.write(batch.map((one) => ({ ...one, key: SHADOW + one.key })))
  }
}

function all(prefix: string): KeyRange {
  return { gte: prefix, lt: `${prefix}\u{10FFFF}` }
}

/** In the store's order, which is that of UTF-8; what has come to its end is last. */
function compare(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function changeOf(write: Write): TableChange[] {
  const [, table, key] = /^t\/([^/]+)\/([\s\S]*)$/.exec(write.key) ?? []
  if (table === undefined || key === undefined) return []
  const row = write.type === 'put' ? (decode(write.value) as Rows[TableName]) : undefined
  return [{ table: table as TableName, key, row }]
}
