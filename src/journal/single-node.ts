import type { Clock } from '../runtime/clock.ts'
import type { Committed, Journal, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import { type Entry, type Frontier, feedId, type Lane, type NewOp } from './op.ts'
import { type FeedLog, Sequencer } from './sequencer.ts'

/** Key of an entry in the plain log; the number is padded so that keys sort as the feed runs. */
function entryKey(entry: Entry): string {
  return `entry/${feedId(entry.lane, entry.author)}/${String(entry.seq).padStart(16, '0')}`
}

/** Entries as plain rows: nobody else reads them, so they are not signed. */
class PlainLog implements FeedLog {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  async append(entry: Entry, bytes: Uint8Array, writes: readonly Write[]): Promise<void> {
    await this.#store.write([{ type: 'put', key: entryKey(entry), value: bytes }, ...writes])
  }
}

/** The journal of a node that is alone: same ops, same reducer, same tables, no cluster. */
export class SingleNodeJournal implements Journal {
  readonly node: string
  readonly cluster: string
  readonly #sequencer: Sequencer

  constructor(parts: { store: KeyValue; clock: Clock; node: string; cluster: string }) {
    this.node = parts.node
    this.cluster = parts.cluster
    this.#sequencer = new Sequencer({ ...parts, log: new PlainLog(parts.store) })
  }

  get tables(): Tables {
    return this.#sequencer.tables
  }

  open(): Promise<void> {
    return this.#sequencer.open()
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
