import { decode, encode } from 'cborg'
import { Fault } from '../errors.ts'
import { COMMIT_QUEUE_MAX } from '../limits.ts'
import type { Clock } from '../runtime/clock.ts'
import { encodeEntry } from './entry.ts'
import type { Archive, CheckedEntry, FeedLog } from './feed-log.ts'
import { Group } from './group.ts'
import type { Committed, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import {
  AUTHORITY,
  type Entry,
  type FeedId,
  FIRST_LIFE,
  type Frontier,
  feedId,
  feedOf,
  type Lane,
  type LaneFamily,
  type NewOp,
  opsOf,
  parseFeedId,
} from './op.ts'
import { reduce } from './reduce.ts'
import { Reviews } from './reviews.ts'
import type { FeedState } from './rows.ts'
import { type Draft, TableStore } from './table-store.ts'
import type { Writer } from './writer.ts'

export interface Applied {
  readonly entries: readonly Entry[]
  /** Written by this node just now. */
  readonly local: boolean
  readonly changes: readonly TableChange[]
}

/** The tables and the feeds of one moment. */
export interface Moment {
  readonly frontier: Frontier
  feed(feed: FeedId): FeedState
  hashOf(family: LaneFamily): string
}

/** Something that wants the writer to itself for a while. */
type Turn = () => Promise<void>

interface Plan {
  readonly lane: Lane
  readonly plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
}

export interface SequencerParts {
  readonly store: KeyValue
  readonly log: FeedLog
  readonly archive: Archive
  readonly clock: Clock
  readonly node: string
  readonly cluster: string
  /** The node's incarnation: which of its feeds it goes on with. */
  readonly life?: string
  /** Rows kept decoded in memory, where the default is too many. */
  readonly cachedRows?: number
  /** Feeds that go no further here: what others have seen of them is not waited for. */
  readonly excused?: (feed: FeedId) => boolean
}

/**
 * The one writer of the tables: local plans and entries from elsewhere go through here one group at a time,
 * and each group becomes one synced batch of entry, feed state and changed rows.
 */
export class Sequencer implements Writer {
  readonly tables: TableStore
  readonly #parts: SequencerParts
  readonly #excused: (feed: FeedId) => boolean
  readonly #feeds = new Map<FeedId, FeedState>()
  readonly #listeners = new Set<(applied: Applied) => void>()
  readonly #reviews: Reviews
  #life: string
  #plans: Plan[] = []
  #turns: Turn[] = []
  #running: Promise<void> | undefined
  #replacements = 0
  #rulings = 0
  #closed = false

  constructor(parts: SequencerParts) {
    this.#parts = parts
    this.#life = parts.life ?? FIRST_LIFE
    this.#excused = parts.excused ?? (() => false)
    this.tables = new TableStore(parts.store, parts.cachedRows)
    this.#reviews = new Reviews(this, parts.archive)
  }

  async open(): Promise<void> {
    this.#feeds.clear()
    for await (const [key, bytes] of this.#parts.store.range({ gte: 'feed/', lt: 'feed0' })) {
      this.#feeds.set(key.slice('feed/'.length), decode(bytes) as FeedState)
    }
    await this.#reviews.open()
  }

  /** Refuses new work and waits for what was taken on. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#reviews.close()
    await this.#running
  }

  /** Everything that was to be decided again has been. */
  async settled(): Promise<void> {
    await this.#reviews.settled()
  }

  /** Tries again what was to be decided again and could not be written. */
  resumeReviews(): void {
    this.#reviews.resume()
  }

  /** Whether something applied here waits to be decided again. */
  get isReviewing(): boolean {
    return !this.#reviews.idle
  }

  frontier(): Frontier {
    return Object.fromEntries([...this.#feeds].map(([feed, { seq }]) => [feed, seq]))
  }

  feed(feed: FeedId): FeedState {
    return this.#feeds.get(feed) ?? { seq: 0, depth: 0, seen: {} }
  }

  get life(): string {
    return this.#life
  }

  /** From the next commit on this node writes in feeds of that incarnation. */
  continueAs(life: string): void {
    this.#life = life
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
    return this.#inTurn(() => this.#take(entries))
  }

  /**
   * Runs `look` between two groups, in one piece: what it begins to read then (`KeyValue.range`) is the state of
   * that moment, whatever is written while it is read.
   */
  freeze<T>(look: (moment: Moment) => T): Promise<T> {
    return this.#inTurn(async () =>
      look({
        frontier: this.frontier(),
        feed: (feed) => this.feed(feed),
        hashOf: (family) => this.tables.hashOf(family),
      }),
    )
  }

  /** Runs `change` with nothing written beside it. It may write to the store itself; all is read anew afterwards. */
  replace(change: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      this.#replacements++
      try {
        await change()
      } finally {
        this.tables.reload()
        await this.open()
      }
    })
  }

  turn(change: (draft: Draft) => Promise<Draft>, meanwhile?: () => void): Promise<void> {
    return this.#inTurn(async () => {
      const draft = await change(this.tables.draft())
      const write = (writes: readonly Write[]) => {
        const written = this.#parts.store.write(writes)
        meanwhile?.()
        return written
      }
      return this.#persist(draft, new Map(), [], false, write)
    })
  }

  get rulings(): number {
    return this.#rulings
  }

  /** How often something has changed the store itself: who was at it meanwhile looks here. */
  get replacements(): number {
    return this.#replacements
  }

  /** Whether `entry` may be applied now; what is missing otherwise. */
  missing(entry: Entry): { feed: FeedId; have: number; need: number } | undefined {
    const feed = feedOf(entry)
    const have = this.feed(feed).seq
    if (entry.seq !== have + 1) return { feed, have, need: entry.seq - 1 }
    for (const [seen, need] of Object.entries(entry.seen)) {
      const known = this.feed(seen).seq
      if (known < need && !this.#excused(seen)) return { feed: seen, have: known, need }
    }
    return undefined
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Fault('JOURNAL_CLOSED', 'the node is stopping'))
    return new Promise((resolve, reject) => {
      this.#turns.push(() => task().then(resolve, reject))
      this.#wake()
    })
  }

  #wake(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    // Lets everything asked for in this turn join the first group.
    await Promise.resolve()
    while (this.#plans.length > 0 || this.#turns.length > 0) {
      if (this.#plans.length > 0) await this.#runPlans()
      await this.#turns.shift()?.()
    }
    // In the same turn as the last look at the queues, so that nothing queued later is left waiting.
    this.#running = undefined
  }

  async #runPlans(): Promise<void> {
    const { node, cluster, clock, log } = this.#parts
    const lane = (this.#plans[0] as Plan).lane
    const feed = feedId(lane, node, this.#life)
    const before = this.feed(feed)
    const past = withAll(before.seen, this.#past(lane))
    const at = { feed, seq: before.seq + 1, depth: 1 + this.#depthOf(past), time: clock.now() }
    const group = new Group(
      { ...at, seen: changed(before.seen, past), past, node, cluster },
      this.tables.draft(),
    )
    const known = this.#authority()
    const done: { plan: Plan; ids: readonly string[] }[] = []
    while (this.#plans[0]?.lane === lane) {
      const plan = this.#plans[0]
      try {
        const ids = group.add(plan.plan, known)
        if (!ids) break
        done.push({ plan, ids })
      } catch (error) {
        plan.reject(error)
      }
      this.#plans.shift()
    }
    try {
      if (group.ops.length > 0) {
        const entry: Entry = { ...group.entry(lane), ...(this.#life !== FIRST_LIFE && { life: this.#life }) }
        const states = new Map([[feed, { seq: at.seq, depth: at.depth, seen: past }]])
        await this.#persist(group.draft, states, [entry], true, (writes) =>
          log.append(entry, encodeEntry(entry), writes),
        )
      }
      for (const { plan, ids } of done) plan.resolve({ ids })
    } catch (error) {
      for (const { plan } of done) plan.reject(error)
    }
  }

  async #take(entries: readonly CheckedEntry[]): Promise<number> {
    const draft = this.tables.draft()
    const states = new Map<FeedId, FeedState>()
    const applied: Entry[] = []
    const writes: Write[] = []
    const known = this.#authority()
    const stateOf = (feed: FeedId) => states.get(feed) ?? this.feed(feed)
    for (const { entry, writes: logRows } of entries) {
      const feed = feedOf(entry)
      const before = stateOf(feed)
      const seenHere = Object.entries(entry.seen).every(
        ([other, need]) => stateOf(other).seq >= need || this.#excused(other),
      )
      if (entry.seq !== before.seq + 1 || !seenHere) break
      const past = { ...before.seen, ...entry.seen }
      for (const op of opsOf(entry, past)) reduce(draft, op, known)
      if (entry.lane === AUTHORITY) known[feed] = entry.seq
      states.set(feed, { seq: entry.seq, depth: entry.depth, seen: past })
      applied.push(entry)
      for (const row of logRows) writes.push(row)
    }
    if (applied.length > 0) {
      await this.#persist(draft, states, applied, false, (rows) =>
        this.#parts.store.write([...writes, ...rows]),
      )
    }
    return applied.length
  }

  async #persist(
    draft: Draft,
    states: ReadonlyMap<FeedId, FeedState>,
    entries: readonly Entry[],
    local: boolean,
    write: (writes: readonly Write[]) => Promise<void> = (writes) => this.#parts.store.write(writes),
  ): Promise<void> {
    const { writes, changes, apply } = this.tables.prepare(draft)
    for (const [feed, state] of states)
      writes.push({ type: 'put', key: `feed/${feed}`, value: encode(state) })
    if (writes.length > 0) await write(writes)
    for (const [feed, state] of states) this.#feeds.set(feed, state)
    apply()
    if (entries.some(({ lane }) => lane === AUTHORITY)) this.#rulings++
    for (const { table, key, row } of changes) {
      if (table === 'reviews') this.#reviews.changed(key, row !== undefined)
    }
    for (const listener of this.#listeners) listener({ entries, local, changes })
  }

  /** What an entry of this lane may refer to: its own lane, and the rights it was decided under. */
  #past(lane: Lane): Frontier {
    const past: Record<FeedId, number> = {}
    for (const [feed, { seq }] of this.#feeds) {
      const other = parseFeedId(feed).lane
      if (other === lane || other === AUTHORITY) past[feed] = seq
    }
    return past
  }

  #authority(): Record<FeedId, number> {
    const known: Record<FeedId, number> = {}
    for (const [feed, { seq }] of this.#feeds) if (parseFeedId(feed).lane === AUTHORITY) known[feed] = seq
    return known
  }

  #depthOf(past: Frontier): number {
    return Object.keys(past).reduce((depth, feed) => Math.max(depth, this.feed(feed).depth), 0)
  }
}

/** What an author has seen stays seen, also where a fork made everybody take it back. */
function withAll(before: Frontier, now: Frontier): Frontier {
  const past: Record<FeedId, number> = { ...now }
  for (const [feed, seq] of Object.entries(before)) if ((past[feed] ?? 0) < seq) past[feed] = seq
  return past
}

/** The components of `now` that differ from `before`. */
function changed(before: Frontier, now: Frontier): Frontier {
  return Object.fromEntries(Object.entries(now).filter(([feed, seq]) => before[feed] !== seq))
}
