import { decode } from 'cborg'
import { Fault } from '../../src/errors.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { RowsSum } from '../../src/journal/lane-rows.ts'
import { type Entry, type FeedId, type LaneFamily, parseFeedId } from '../../src/journal/op.ts'
import type { FeedState, TableName } from '../../src/journal/rows.ts'
import type { Sequencer } from '../../src/journal/sequencer.ts'
import { familyOfRow } from '../../src/journal/table-store.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { NodeId } from '../network/network.ts'
import type { BlockFormat } from './block-format.ts'
import type { Damage } from './damage.ts'
import { encodeHeads, headKey, type StoredBlock } from './layout.ts'
import type { Floors } from './snapshots/floors.ts'
import type { StoredFeeds } from './stored-feeds.ts'

/** What helps where nothing here can. */
export const REMEDY =
  'stop the node, move the folder `journal` out of its data directory and start it: it fetches the records ' +
  'from the other members (what no other member has is lost; a copy of the folder may still hold it)'
/** Some milliseconds of reading. */
const READ_PER_REST = 256
const FAMILIES: readonly LaneFamily[] = ['authority', 'catalog', 'verdicts', 'trail']

/** What a look at everything that is stored found. */
export interface Inspection {
  readonly rows: number
  readonly entries: number
  /** Entries that are not what their author signed; they are asked for again. */
  readonly damaged: readonly Place[]
  /** Lane families whose rows do not give the hash they should. */
  readonly tables: readonly LaneFamily[]
}

/** An entry in a log. */
export interface Place {
  readonly feed: FeedId
  readonly seq: number
}

export interface Look {
  /** Rows and entries between two rests. */
  readonly perRest?: number
  /** Where in the logs to begin; what comes before is looked at last. */
  readonly from?: Place | undefined
  readonly tablesOnly?: boolean
  readonly onRead?: (sofar: { readonly rows: number; readonly entries: number; readonly at?: Place }) => void
}

export interface SoundnessParts {
  readonly store: KeyValue
  readonly node: NodeId
  readonly format: BlockFormat
  readonly feeds: StoredFeeds
  readonly floors: Floors
  readonly damage: Damage
  readonly sequencer: Sequencer
  readonly log: Logger
}

/** Whether what the disk gives back is what was written: the ends of logs at every start, everything when asked. */
export class Soundness {
  readonly #parts: SoundnessParts

  constructor(parts: SoundnessParts) {
    this.#parts = parts
  }

  /** To be called before the sequencer reads them. @throws Fault LEDGER_DAMAGED */
  async checkStates(): Promise<void> {
    for await (const [key, row] of this.#parts.store.range({ gte: 'feed/', lt: 'feed0' })) {
      const feed = key.slice('feed/'.length)
      const { seq, depth, seen } = (tryDecode(row) ?? {}) as Partial<FeedState>
      if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(depth) || Object(seen) !== seen)
        throw damaged('what is noted of the log', { feed })
    }
  }

  /**
   * Each log ends where its records do. An end that can be worked out again is; another member's last entry that
   * is not whole is asked for again.
   * @throws Fault LEDGER_DAMAGED
   */
  async checkEnds(): Promise<void> {
    const { sequencer, feeds, damage, node } = this.#parts
    for (const [feed, seq] of Object.entries(sequencer.frontier())) {
      const head = feeds.headHash(feed)
      const last = feeds.at(feed, seq)
      const isOwn = parseFeedId(feed).author === node
      if (head === undefined ? !last : isOwn && !last) throw damaged('the end of the log', { feed, seq })
      const block = feeds.checked(feed, seq)
      if (!block) damage.found(feed, seq)
      else {
        this.#checkState(feed, seq, block.bytes)
        await this.#checkHead(feed, seq, block)
      }
    }
  }

  async #checkHead(feed: FeedId, seq: number, { bytes, hash }: StoredBlock): Promise<void> {
    const { store, format, log } = this.#parts
    const next = format.nextOf(bytes)
    const heads = encodeHeads(hash, next === undefined ? [] : [next])
    const noted = store.get(headKey(feed))
    if (noted && Buffer.compare(noted, heads) === 0) return
    await store.write([{ type: 'put', key: headKey(feed), value: heads }])
    log.warn({ feed, seq }, 'the end of a log was damaged, and is noted again from its last entry')
  }

  #checkState(feed: FeedId, seq: number, bytes: Uint8Array): void {
    const { sequencer, format } = this.#parts
    const state = sequencer.feed(feed)
    const entry: Entry = format.entryOf(bytes)
    const agrees =
      entry.seq === seq &&
      entry.depth === state.depth &&
      Object.entries(entry.seen).every(([other, seen]) => state.seen[other] === seen)
    if (!agrees) throw damaged('what is noted of the log', { feed, seq })
  }

  /**
   * Reads everything that is stored. What is damaged in logs is asked for again from now on.
   * @param rest waits now and then, so that others get their turn; what it throws ends the look
   */
  async inspect(rest: () => Promise<void>, look: Look = {}): Promise<Inspection> {
    const { perRest = READ_PER_REST, onRead = () => {} } = look
    let rows = 0
    let entries = 0
    const read = async (at?: Place) => {
      onRead({ rows, entries, ...(at && { at }) })
      if ((rows + entries) % perRest === 0) await rest()
    }
    const tables = await this.#inspectTables(() => {
      rows++
      return read()
    })
    const damaged = look.tablesOnly
      ? []
      : await this.#inspectLogs(look.from, (at) => {
          entries++
          return read(at)
        })
    return { rows, entries, damaged, tables }
  }

  /** All logs from `from` on, and around to it again. */
  async #inspectLogs(from: Place | undefined, read: (at: Place) => Promise<void>): Promise<Place[]> {
    const { sequencer, feeds, floors, damage, format } = this.#parts
    const found: Place[] = []
    const frontier = sequencer.frontier()
    const order = Object.keys(frontier).sort()
    const first = from ? order.findIndex((feed) => feed >= from.feed) : 0
    for (const feed of [...order.slice(first), ...order.slice(0, Math.max(0, first))]) {
      const to = frontier[feed] ?? 0
      // A feed that was left in the middle is gone through from there to its end, then from its beginning.
      const begin = floors.at(feed)
      const middle = feed === from?.feed ? Math.min(Math.max(from.seq, begin), to) : begin
      for (let step = 0; step <= to - begin; step++) {
        const seq = begin + ((middle - begin + step) % (to - begin + 1))
        await read({ feed, seq })
        const block = feeds.checked(feed, seq)
        if (block && format.entryOf(block.bytes).depth === block.depth) continue
        // Let go of while it was looked at.
        if (seq < floors.at(feed)) continue
        damage.found(feed, seq)
        found.push({ feed, seq })
      }
    }
    return found
  }

  async #inspectTables(read: () => Promise<void>): Promise<LaneFamily[]> {
    const { sequencer, store } = this.#parts
    const { rows, hashes } = await sequencer.freeze((moment) => ({
      rows: store.range({ gte: 't/', lt: 't0' }),
      hashes: FAMILIES.map((family) => [family, moment.hashOf(family)] as const),
    }))
    const sums = new Map(FAMILIES.map((family) => [family, new RowsSum()]))
    // What a node keeps to decide with is in no hash, but can be read or not.
    let unreadable = false
    for await (const [at, bytes] of rows) {
      await read()
      const slash = at.indexOf('/', 2)
      const [table, key] = [at.slice(2, slash) as TableName, at.slice(slash + 1)]
      const family = familyOfRow(table, key)
      if (family) sums.get(family)?.add({ table, key, bytes })
      else unreadable ||= tryDecode(bytes) === undefined
    }
    const wrong = hashes.flatMap(([family, hash]) => (sums.get(family)?.hex === hash ? [] : [family]))
    return unreadable && !wrong.includes('authority') ? ['authority', ...wrong] : wrong
  }
}

function damaged(what: string, facts: Readonly<Record<string, unknown>>): Fault {
  return new Fault('LEDGER_DAMAGED', `${what} ${String(facts.feed)} is damaged: ${REMEDY}`, facts)
}

function tryDecode(row: Uint8Array): unknown {
  try {
    return decode(row)
  } catch {
    return undefined
  }
}
