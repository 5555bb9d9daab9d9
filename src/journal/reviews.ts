import { isRight, reviewDependents } from './authority/review.ts'
import { type Disputed, disputed, Rebuilding } from './content/rebuild.ts'
import { redecide } from './content/retract.ts'
import type { Archive } from './feed-log.ts'
import { type FeedId, type Frontier, familyOf, type Lane, type Op, opsOf, parseFeedId } from './op.ts'
import { type Progress, replay } from './replay.ts'
import type { Right } from './rows.ts'
import type { Draft, TableStore } from './table-store.ts'

/** Dependents decided between two groups: some milliseconds at most, so that nobody waits for a review to end. */
const DEPENDENTS_PER_SLICE = 512
/** Entities in which they are, read at once: at least one of each is decided in a slice. */
const ENTITIES_PER_SLICE = 512
/** Of what was written while a lane was read, as much may be left to be read with writers waiting. */
const TAIL_ENTRIES_MAX = 1_000

/** Where some of those are who rest on a right, read before the writer's turn. */
interface Slice {
  readonly right: Right
  readonly after: string
  /** Which putting down of the right it is for, and which state of the store it is from. */
  readonly renewal: number | undefined
  readonly opened: number
  readonly entities: readonly string[]
  /** Others follow. */
  readonly isCut: boolean
}

/** The writer of the tables, as far as a review needs it. */
export interface Writer {
  readonly tables: TableStore
  frontier(): Frontier
  /** Runs in the writer's turn, with nothing written beside it; what `change` leaves in the draft becomes durable. */
  turn(change: (draft: Draft) => Promise<Draft>): Promise<void>
}

/**
 * Works off the table of reviews: what was applied and has to be decided again, since somebody's right was
 * taken or given late. What it is about stands in the table until it is done, so a crash loses none of it.
 */
export class Reviews {
  readonly #writer: Writer
  readonly #archive: Archive
  readonly #waiting = new Set<string>()
  /** Put down again since the review of it began. */
  readonly #renewed = new Set<string>()
  /** Numbers each time a right was put down from the start. */
  readonly #renewals = new Map<string, number>()
  #lastRenewal = 0
  /** What follows the slice that is being decided. */
  #ahead: Promise<Slice | undefined> | undefined
  /** Counts how often the store was read anew. */
  #opened = 0
  #opening = false
  #running: Promise<void> | undefined
  #stopped = false

  constructor(writer: Writer, archive: Archive) {
    this.#writer = writer
    this.#archive = archive
  }

  /** Reads what waits, also after the store was changed behind the writer: what was under way then is dropped. */
  async open(): Promise<void> {
    this.#opened += 1
    this.#waiting.clear()
    this.#opening = true
    try {
      for await (const { key } of this.#writer.tables.list('reviews')) this.#waiting.add(key)
    } finally {
      this.#opening = false
    }
    this.#wake()
  }

  /** A row of the table was written or removed. */
  changed(key: string, waits: boolean): void {
    if (waits) {
      this.#waiting.add(key)
      this.#renewed.add(key)
      if (this.#afterOf(key) === '') this.#renewals.set(key, ++this.#lastRenewal)
    } else {
      this.#waiting.delete(key)
      this.#renewals.delete(key)
    }
    this.#wake()
  }

  /** Goes on with what waits, where a store that would not be written has stopped it. */
  resume(): void {
    this.#wake()
  }

  /** Nothing waits to be decided again. */
  get idle(): boolean {
    return this.#waiting.size === 0 && !this.#opening
  }

  /**
   * Nothing waits any more, whatever has stood in the way so far.
   * @throws whatever still stands in the way: who then asked again and again would let nothing else happen
   */
  async settled(): Promise<void> {
    for (this.#wake(); this.#running; this.#wake()) await this.#running
  }

  async close(): Promise<void> {
    this.#stopped = true
    await this.#running?.catch(() => {})
    await this.#ahead
  }

  #wake(): void {
    if (this.#stopped || this.#waiting.size === 0) return
    this.#running ??= this.#run()
    // Whatever stood in the way, the row stays: the next change, `resume` or start tries again.
    this.#running.catch(() => {})
  }

  async #run(): Promise<void> {
    // Not in the turn of who writes: that is no place to fail.
    await Promise.resolve()
    try {
      while (!this.#stopped && this.#waiting.size > 0) {
        // Rights before content: what a node pushed is decided by what became of its membership.
        const keys = [...this.#waiting]
        const key = keys.find(isRight) ?? (keys[0] as string)
        if (isRight(key)) await this.#right(key)
        else await this.#content(key)
      }
    } finally {
      // In the same turn as the last look at what waits, so that nothing put down later is left waiting.
      this.#running = undefined
    }
  }

  #afterOf(right: string): string {
    return this.#writer.tables.get('reviews', right)?.after ?? ''
  }

  /**
   * Who comes to rest on the right after a slice was read was decided by what counts by then; what counts changes
   * together with a renewal, and all of it is read again.
   */
  async #right(right: Right): Promise<void> {
    const after = this.#afterOf(right)
    const ahead = await this.#ahead
    const isNext = ahead?.right === right && ahead.after === after && this.#isFresh(ahead)
    const slice = isNext ? ahead : await this.#slice(right, after)
    await this.#turn(slice.opened, async (draft) => {
      if (!this.#isFresh(slice)) return draft
      draft.delete('reviews', right)
      const passed = reviewDependents(draft, right, slice.entities, DEPENDENTS_PER_SLICE)
      const left = slice.entities.slice(passed)
      if (left.length === 0 && !slice.isCut) return draft
      const next = keyOf(right, slice.entities[passed - 1] as string)
      if (!draft.has('reviews', right)) draft.put('reviews', right, { after: next })
      // Read while this one is written. Where that fails it is tried again in its own time, and said then.
      this.#ahead =
        left.length > 0
          ? Promise.resolve({ ...slice, after: next, entities: left })
          : this.#slice(right, next).catch(() => undefined)
      return draft
    })
  }

  #isFresh({ right, renewal, opened }: Slice): boolean {
    return renewal === this.#renewals.get(right) && opened === this.#opened
  }

  async #slice(right: Right, after: string): Promise<Slice> {
    const [renewal, opened] = [this.#renewals.get(right), this.#opened]
    const entities: string[] = []
    const prefix = keyOf(right, '')
    const options = { prefix, limit: ENTITIES_PER_SLICE, ...(after !== '' && { after }) }
    for await (const { key } of this.#writer.tables.list('dependents', options)) {
      entities.push(key.slice(prefix.length))
    }
    return { right, after, renewal, opened, entities, isCut: entities.length === ENTITIES_PER_SLICE }
  }

  /** A turn of the writer, unless the store is another than when this began. */
  #turn(opened: number, change: (draft: Draft) => Promise<Draft>): Promise<void> {
    return this.#writer.turn(async (draft) => (opened === this.#opened ? change(draft) : draft))
  }

  async #content(key: string): Promise<void> {
    const opened = this.#opened
    const [what, id = ''] = key.split(':')
    this.#renewed.delete(key)
    const began = new Set<string>()
    if (what === 'tags-of') {
      for await (const { key: repository } of this.#writer.tables.list('repositories', {
        prefix: `${id}/`,
      })) {
        began.add(repository)
      }
    } else {
      const { repositories, relisted } = await this.#disputedBy(id, opened)
      for (const repository of repositories) began.add(repository)
      if (relisted.size > 0)
        await this.#turn(opened, async (draft) => {
          for (const [at, row] of relisted) draft.put('ineffective', at, row)
          return draft
        })
    }
    if (began.size > 0) await this.#rebuild(began, key, opened)
    else
      await this.#turn(opened, async (draft) => {
        this.#done(draft, key)
        return draft
      })
  }

  /** Unless a right has changed while this was read: then all of it is looked at once more. */
  #done(draft: Draft, key: string): void {
    if (!this.#renewed.has(key)) draft.delete('reviews', key)
  }

  /** Repositories to be made anew; what the author wrote elsewhere is decided at once. */
  async #disputedBy(author: string, opened: number): Promise<Disputed> {
    const so: Disputed = { repositories: new Set(), relisted: new Map() }
    for (const feed of Object.keys(this.#writer.frontier())) {
      const { lane, author: by } = parseFeedId(feed)
      if (by !== author || lane === 'authority') continue
      if (familyOf(lane) === 'catalog') {
        for await (const ops of this.#opsOf(feed)) {
          disputed(this.#writer.tables, ops, so)
        }
      } else {
        await this.#turn(opened, async (draft) => {
          const all: Op[] = []
          for await (const ops of this.#opsOf(feed)) all.push(...ops)
          redecide(draft, all)
          return draft
        })
      }
    }
    return so
  }

  async *#opsOf(feed: FeedId): AsyncGenerator<Op[]> {
    const to = { [feed]: this.#writer.frontier()[feed] ?? 0 }
    const progress = await this.#beginning(parseFeedId(feed).lane)
    for await (const { entry, past } of replay(this.#archive, to, progress)) yield opsOf(entry, past)
  }

  /** Reads the catalog once for those repositories, then, with writers waiting, what came meanwhile. */
  async #rebuild(repositories: ReadonlySet<string>, key: string, opened: number): Promise<void> {
    const lanes = new Set<Lane>()
    for (const feed of Object.keys(this.#writer.frontier())) {
      const { lane } = parseFeedId(feed)
      if (familyOf(lane) === 'catalog') lanes.add(lane)
    }
    const rebuilding = new Rebuilding(this.#writer.tables, repositories)
    const progress: Progress = new Map()
    for (const lane of lanes) {
      const base = await this.#archive.base(lane)
      if (base) await rebuilding.begin(base)
      for (const [feed, state] of await this.#beginning(lane)) progress.set(feed, state)
    }
    const read = async (to: Frontier) => {
      for await (const past of replay(this.#archive, to, progress)) rebuilding.apply(past)
    }
    const wanted = () =>
      Object.fromEntries(
        Object.entries(this.#writer.frontier()).filter(([feed]) => lanes.has(parseFeedId(feed).lane)),
      )
    const left = (to: Frontier) =>
      Object.entries(to).reduce((sum, [feed, seq]) => sum + seq - (progress.get(feed)?.seq ?? 0), 0)
    while (!this.#stopped && left(wanted()) > TAIL_ENTRIES_MAX) await read(wanted())
    await this.#turn(opened, async (draft) => {
      await read(wanted())
      draft.take(await rebuilding.finish())
      this.#done(draft, key)
      return draft
    })
  }

  async #beginning(lane: Lane): Promise<Progress> {
    const base = await this.#archive.base(lane)
    return new Map(base ? [...base.feeds].map(([feed, { seq, seen }]) => [feed, { seq, seen }]) : [])
  }
}

/** The key of `dependents`. */
function keyOf(right: Right, entity: string): string {
  return `${right}\u0000${entity}`
}
