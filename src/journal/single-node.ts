import type { Clock } from '../runtime/clock.ts'
import { makeDisputes } from './content/make-disputes.ts'
import { decodeEntry } from './entry.ts'
import type { Archive, FeedLog } from './feed-log.ts'
import type { Committed, Journal, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import { type Entry, type FeedId, type Frontier, feedOf, type Lane, type NewOp } from './op.ts'
import { Sequencer } from './sequencer.ts'

const SEQ_DIGITS = 16

/** Key of an entry in the plain log; the number is padded so that keys sort as the feed runs. */
function entryKey(feed: FeedId, seq: number): string {
  return `entry/${feed}/${String(seq).padStart(SEQ_DIGITS, '0')}`
}

/** Entries as plain rows: nobody else reads them, so they are not signed. */
class PlainLog implements FeedLog, Archive {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  async append(entry: Entry, bytes: Uint8Array, writes: readonly Write[]): Promise<void> {
    await this.#store.write([
      { type: 'put', key: entryKey(feedOf(entry), entry.seq), value: bytes },
      ...writes,
    ])
  }

  async *read(feed: FeedId, from: number): AsyncIterable<Entry> {
    const bounds = { gte: entryKey(feed, from), lt: `entry/${feed}/~` }
    for await (const [, bytes] of this.#store.range(bounds)) yield decodeEntry(bytes)
  }

  async base(): Promise<undefined> {
    return undefined
  }
}

/** The journal of a node that is alone: same ops, same reducer, same tables, no cluster. */
export class SingleNodeJournal implements Journal {
  readonly node: string
  readonly cluster: string
  readonly #store: KeyValue
  readonly #sequencer: Sequencer

  constructor(parts: { store: KeyValue; clock: Clock; node: string; cluster: string }) {
    this.node = parts.node
    this.cluster = parts.cluster
    this.#store = parts.store
    const log = new PlainLog(parts.store)
    this.#sequencer = new Sequencer({ ...parts, log, archive: log })
  }

  get tables(): Tables {
    return this.#sequencer.tables
  }

  async open(): Promise<void> {
    await makeDisputes(this.#store)
    await this.#sequencer.open()
  }

  close(): Promise<void> {
    return this.#sequencer.close()
  }

  commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    return this.#sequencer.commit(lane, plan)
  }

  onChange(listener: (changes: readonly TableChange[]) => void): () => void {
    return this.#sequencer.onApplied(({ changes }) => listener(changes))
  }

  frontier(): Frontier {
    return this.#sequencer.frontier()
  }

  stateHash(): string {
    return this.#sequencer.tables.stateHash()
  }
}
