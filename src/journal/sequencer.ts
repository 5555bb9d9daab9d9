import { decode, encode } from 'cborg'
import { Fault } from '../errors.ts'
import { COMMIT_QUEUE_MAX, ENTRY_BYTES_MAX, ENTRY_OPS_MAX, OP_BYTES_MAX } from '../limits.ts'
import type { Clock } from '../runtime/clock.ts'
import { encodeEntry } from './entry.ts'
import type { Committed, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import { isKind, kinds } from './kinds.ts'
import {
  type Dot,
  type Entry,
  type FeedId,
  type Frontier,
  feedId,
  type Lane,
  type NewOp,
  opId,
  parseFeedId,
  type WrittenOp,
} from './op.ts'
import { reduce } from './reduce/reduce.ts'
import type { FeedState } from './rows.ts'
import { type Draft, TableStore } from './table-store.ts'

/** Where signed entries live. The replicated journal keeps an OrbitDB log per feed, a single node plain rows. */
export interface FeedLog {
  /**
   * Signs the entry and writes it together with `writes` in one synced batch; durable when it resolves.
   * Called by the sequencer alone, one call at a time.
   */
  append(entry: Entry, bytes: Uint8Array, writes: readonly Write[]): Promise<void>
}

/** An entry from elsewhere whose signature and chain have been checked, with the log's own rows for it. */
export interface CheckedEntry {
  readonly entry: Entry
  readonly writes: readonly Write[]
}

export interface Applied {
  readonly entries: readonly Entry[]
  /** Written by this node just now. */
  readonly local: boolean
  readonly changes: readonly TableChange[]
}

interface Plan {
  readonly lane: Lane
  readonly plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
}

interface Arrival {
  readonly entries: readonly CheckedEntry[]
  readonly resolve: (applied: number) => void
  readonly reject: (error: unknown) => void
}

/** Opening and closing bytes of an entry beside its ops and what it has seen. */
const ENVELOPE_BYTES = 1024

/**
 * The one writer of the tables: local plans and entries from elsewhere go through here one group at a time,
 * and each group becomes one synced batch of entry, feed state and changed rows.
 */
export class Sequencer {
  readonly tables: TableStore
  readonly #store: KeyValue
  readonly #log: FeedLog
  readonly #clock: Clock
  readonly #node: string
  readonly #cluster: string
  readonly #excused: (feed: FeedId) => boolean
  readonly #feeds = new Map<FeedId, FeedState>()
  readonly #listeners = new Set<(applied: Applied) => void>()
  #plans: Plan[] = []
  #arrivals: Arrival[] = []
  #running: Promise<void> | undefined
  #closed = false

  /** @param parts.excused feeds that go no further here: what others have seen of them is not waited for */
  constructor(parts: {
    store: KeyValue
    log: FeedLog
    clock: Clock
    node: string
    cluster: string
    excused?: (feed: FeedId) => boolean
  }) {
    this.#store = parts.store
    this.#log = parts.log
    this.#clock = parts.clock
    this.#node = parts.node
    this.#cluster = parts.cluster
    this.#excused = parts.excused ?? (() => false)
    this.tables = new TableStore(parts.store)
  }

  async open(): Promise<void> {
    for await (const [key, bytes] of this.#store.range({ gte: 'feed/', lt: 'feed0' })) {
      this.#feeds.set(key.slice('feed/'.length), decode(bytes) as FeedState)
    }
  }

  /** Refuses new work and waits for what was taken on. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  frontier(): Frontier {
    return Object.fromEntries([...this.#feeds].map(([feed, { seq }]) => [feed, seq]))
  }

  feed(feed: FeedId): FeedState {
    return this.#feeds.get(feed) ?? { seq: 0, depth: 0, seen: {} }
  }

  onApplied(listener: (applied: Applied) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  commit(lane: Lane, plan: Plan['plan']): Promise<Committed> {
    if (this.#closed) return Promise.reject(new Fault('JOURNAL_CLOSED', 'the node is stopping'))
    if (this.#plans.length >= COMMIT_QUEUE_MAX) {
      return Promise.reject(new Fault('JOURNAL_BUSY', 'too many changes wait to be written; try again'))
    }
    return new Promise((resolve, reject) => {
      this.#plans.push({ lane, plan, resolve, reject })
      this.#wake()
    })
  }

  /**
   * Takes in entries in the order given; each must be the next of its feed, and all it has seen be here.
   * @returns how many of them were applied; the first that does not fit ends the group
   */
  ingest(entries: readonly CheckedEntry[]): Promise<number> {
    if (this.#closed) return Promise.reject(new Fault('JOURNAL_CLOSED', 'the node is stopping'))
    return new Promise((resolve, reject) => {
      this.#arrivals.push({ entries, resolve, reject })
      this.#wake()
    })
  }

  /** Whether `entry` may be applied now; what is missing otherwise. */
  missing(entry: Entry): { feed: FeedId; have: number; need: number } | undefined {
    const feed = feedId(entry.lane, entry.author)
    const have = this.feed(feed).seq
    if (entry.seq !== have + 1) return { feed, have, need: entry.seq - 1 }
    for (const [seen, need] of Object.entries(entry.seen)) {
      const known = this.feed(seen).seq
      if (known < need && !this.#excused(seen)) return { feed: seen, have: known, need }
    }
    return undefined
  }

  #wake(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    // Lets everything asked for in this turn join the first group.
    await Promise.resolve()
    while (this.#plans.length > 0 || this.#arrivals.length > 0) {
      if (this.#plans.length > 0) await this.#runPlans()
      const arrival = this.#arrivals.shift()
      if (arrival) await this.#runArrival(arrival)
    }
    // In the same turn as the last look at the queues, so that nothing queued later is left waiting.
    this.#running = undefined
  }

  async #runPlans(): Promise<void> {
    const lane = (this.#plans[0] as Plan).lane
    const draft = this.tables.draft()
    const feed = feedId(lane, this.#node)
    const before = this.feed(feed)
    const past = this.#past(lane)
    const seen = changed(before.seen, past)
    const depth = 1 + this.#depthOf(past)
    const seq = before.seq + 1
    const time = this.#clock.now()
    const ops: Entry['ops'][number][] = []
    const done: { plan: Plan; ids: string[] }[] = []
    let bytes = ENVELOPE_BYTES + encode(seen).length

    while (this.#plans[0]?.lane === lane) {
      const plan = this.#plans[0]
      const attempt = draft.fork()
      try {
        const written = plan.plan(attempt).map(writeOp)
        const size = written.reduce((sum, one) => sum + one.bytes, 0)
        const full = ops.length + written.length > ENTRY_OPS_MAX || bytes + size > ENTRY_BYTES_MAX
        if (full && ops.length > 0) break
        if (full)
          throw new Fault('OP_TOO_LARGE', 'the change is larger than one entry may be', { bytes: size })
        const ids = written.map(({ op: one }, offset) => {
          const dot: Dot = { feed, seq, index: ops.length + offset }
          const id = opId(dot)
          reduce(attempt, { ...one, id, dot, depth, time, past, author: this.#node, cluster: this.#cluster })
          const refused = attempt.get('ineffective', id)
          if (refused) throw new Fault('OP_REFUSED', `${one.kind}: ${refused.reason}`, { kind: one.kind })
          return id
        })
        draft.take(attempt)
        ops.push(...written.map(({ op }) => op))
        bytes += size
        done.push({ plan, ids })
      } catch (error) {
        plan.reject(error)
      }
      this.#plans.shift()
    }

    if (ops.length === 0) {
      for (const { plan, ids } of done) plan.resolve({ ids })
      return
    }
    const entry: Entry = {
      format: 1,
      cluster: this.#cluster,
      lane,
      author: this.#node,
      seq,
      depth,
      time,
      seen,
      ops,
    }
    const feeds = new Map([[feed, { seq, depth, seen: past }]])
    try {
      await this.#persist(draft, feeds, [entry], true, (writes) =>
        this.#log.append(entry, encodeEntry(entry), writes),
      )
      for (const { plan, ids } of done) plan.resolve({ ids })
    } catch (error) {
      for (const { plan } of done) plan.reject(error)
    }
  }

  async #runArrival({ entries, resolve, reject }: Arrival): Promise<void> {
    const draft = this.tables.draft()
    const feeds = new Map<FeedId, FeedState>()
    const applied: Entry[] = []
    const writes: Write[] = []
    const stateOf = (feed: FeedId) => feeds.get(feed) ?? this.feed(feed)
    try {
      for (const { entry, writes: logRows } of entries) {
        const feed = feedId(entry.lane, entry.author)
        const before = stateOf(feed)
        const seenHere = Object.entries(entry.seen).every(
          ([other, need]) => stateOf(other).seq >= need || this.#excused(other),
        )
        if (entry.seq !== before.seq + 1 || !seenHere) break
        const past = { ...before.seen, ...entry.seen }
        applyEntry(draft, entry, feed, past)
        feeds.set(feed, { seq: entry.seq, depth: entry.depth, seen: past })
        applied.push(entry)
        writes.push(...logRows)
      }
      if (applied.length > 0) {
        await this.#persist(draft, feeds, applied, false, (rows) => this.#store.write([...writes, ...rows]))
      }
      resolve(applied.length)
    } catch (error) {
      reject(error)
    }
  }

  async #persist(
    draft: Draft,
    feeds: ReadonlyMap<FeedId, FeedState>,
    entries: readonly Entry[],
    local: boolean,
    write: (writes: readonly Write[]) => Promise<void>,
  ): Promise<void> {
    const { writes, changes, apply } = this.tables.prepare(draft)
    for (const [feed, state] of feeds) writes.push({ type: 'put', key: `feed/${feed}`, value: encode(state) })
    await write(writes)
    for (const [feed, state] of feeds) this.#feeds.set(feed, state)
    apply()
    for (const listener of this.#listeners) listener({ entries, local, changes })
  }

  /** What an entry of this lane may refer to: its own lane, and the rights it was decided under. */
  #past(lane: Lane): Frontier {
    const past: Record<FeedId, number> = {}
    for (const [feed, { seq }] of this.#feeds) {
      const other = parseFeedId(feed).lane
      if (other === lane || other === 'authority') past[feed] = seq
    }
    return past
  }

  #depthOf(past: Frontier): number {
    return Object.keys(past).reduce((depth, feed) => Math.max(depth, this.feed(feed).depth), 0)
  }
}

/** Applies a whole entry to the draft, op by op. */
function applyEntry(draft: Draft, entry: Entry, feed: FeedId, past: Frontier): void {
  entry.ops.forEach((one, index) => {
    const dot = { feed, seq: entry.seq, index }
    const { depth, time, author, cluster } = entry
    reduce(draft, { ...one, id: opId(dot), dot, depth, time, past, author, cluster })
  })
}

/** The components of `now` that differ from `before`. */
function changed(before: Frontier, now: Frontier): Frontier {
  return Object.fromEntries(Object.entries(now).filter(([feed, seq]) => before[feed] !== seq))
}

/**
 * The op as it will stand in the entry: what is reduced here is what others will decode, so that nothing
 * CBOR leaves out or mends (an ill-formed string, a field that is undefined) can tell two nodes apart.
 */
function writeOp(op: NewOp): { op: WrittenOp; bytes: number } {
  const bytes = encode({ ...op, version: isKind(op.kind) ? kinds[op.kind].version : 1 })
  if (bytes.length > OP_BYTES_MAX) {
    throw new Fault('OP_TOO_LARGE', 'the record is larger than one op may be', { bytes: bytes.length })
  }
  return { op: decode(bytes) as WrittenOp, bytes: bytes.length }
}
