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

const REMEDY =
  'stop the node, move the folder `journal` out of its data directory and start it: it fetches the records ' +
  'from the other members (what no other member has is lost; a copy of the folder may still hold it)'
/** Some milliseconds of reading. */
const ENTRIES_PER_REST = 256
const FAMILIES: readonly LaneFamily[] = ['authority', 'catalog', 'verdicts', 'trail']

/** What a look at everything that is stored found. */
export interface Inspection {
  readonly entries: number
  /** Entries that are not what their author signed; they are asked for again. */
  readonly damaged: readonly { readonly feed: FeedId; readonly seq: number }[]
  /** Lane families whose rows do not give the hash they should. */
  readonly tables: readonly LaneFamily[]
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
   * @param rest waits now and then, so that others get their turn
   */
  async inspect(rest: () => Promise<void>): Promise<Inspection> {
    const { sequencer, feeds, floors, damage, format, store } = this.#parts
    const found: { feed: FeedId; seq: number }[] = []
    let entries = 0
    for (const [feed, to] of Object.entries(sequencer.frontier())) {
      for (let seq = floors.at(feed); seq <= to; seq++) {
        if (++entries % ENTRIES_PER_REST === 0) await rest()
        const block = feeds.checked(feed, seq)
        if (block && format.entryOf(block.bytes).depth === block.depth) continue
        // Let go of while it was looked at.
        if (seq < floors.at(feed)) continue
        damage.found(feed, seq)
        found.push({ feed, seq })
      }
    }
    const { rows, hashes } = await sequencer.freeze((moment) => ({
      rows: store.range({ gte: 't/', lt: 't0' }),
      hashes: FAMILIES.map((family) => [family, moment.hashOf(family)] as const),
    }))
    const sums = new Map(FAMILIES.map((family) => [family, new RowsSum()]))
    for await (const [at, bytes] of rows) {
      const slash = at.indexOf('/', 2)
      const [table, key] = [at.slice(2, slash) as TableName, at.slice(slash + 1)]
      const family = familyOfRow(table, key)
      if (family) sums.get(family)?.add({ table, key, bytes })
    }
    const tables = hashes.flatMap(([family, hash]) => (sums.get(family)?.hex === hash ? [] : [family]))
    if (tables.length > 0) this.#parts.log.error({ tables }, `records do not give their hash: ${REMEDY}`)
    return { entries, damaged: found, tables }
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
