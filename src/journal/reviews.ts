import { type Disputed, disputed, Rebuilding } from './content/rebuild.ts'
import { redecide } from './content/retract.ts'
import type { Archive } from './feed-log.ts'
import { type FeedId, type Frontier, familyOf, type Lane, type Op, opsOf, parseFeedId } from './op.ts'
import { type Progress, replay } from './replay.ts'
import { isRight, RightReviews } from './right-reviews.ts'
import type { Draft } from './table-store.ts'
import type { Writer } from './writer.ts'

/** Of what was written while a lane was read, as much may be left to be read with writers waiting. */
const TAIL_ENTRIES_MAX = 1_000

/**
 * Works off the table of reviews: what was applied and has to be decided again, since somebody's right was
 * taken or given late. What it is about stands in the table until it is done, so a crash loses none of it.
 */
export class Reviews {
  readonly #writer: Writer
  readonly #archive: Archive
  readonly #rights: RightReviews
  /** Of the content, what waits. */
  readonly #waiting = new Set<string>()
  /** Put down again since the review of it began. */
  readonly #renewed = new Set<string>()
  /** Counts how often the store was read anew. */
  #opened = 0
  #opening = false
  #running: Promise<void> | undefined
  #stopped = false

  constructor(writer: Writer, archive: Archive) {
    this.#writer = writer
    this.#archive = archive
    this.#rights = new RightReviews(writer)
  }

  /** Reads what waits, also after the store was changed behind the writer: what was under way then is dropped. */
  async open(): Promise<void> {
    this.#opened += 1
    this.#waiting.clear()
    this.#rights.open()
    this.#opening = true
    try {
      for await (const { key } of this.#writer.tables.list('reviews')) {
        if (isRight(key)) this.#rights.changed(key, true)
        else this.#waiting.add(key)
      }
    } finally {
      this.#opening = false
    }
    this.#wake()
  }

  /** A row of the table was written or removed. */
  changed(key: string, waits: boolean): void {
    if (isRight(key)) this.#rights.changed(key, waits)
    else if (waits) {
      this.#waiting.add(key)
      this.#renewed.add(key)
    } else this.#waiting.delete(key)
    this.#wake()
  }

  /** Goes on with what waits, where a store that would not be written has stopped it. */
  resume(): void {
    this.#wake()
  }

  /** Nothing waits to be decided again. */
  get idle(): boolean {
    return !this.#isWaiting && !this.#opening
  }

  get #isWaiting(): boolean {
    return this.#rights.isWaiting || this.#waiting.size > 0
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
    await this.#rights.close()
  }

  #wake(): void {
    if (this.#stopped || !this.#isWaiting) return
    this.#running ??= this.#run()
    // Whatever stood in the way, the row stays: the next change, `resume` or start tries again.
    this.#running.catch(() => {})
  }

  async #run(): Promise<void> {
    // Not in the turn of who writes: that is no place to fail.
    await Promise.resolve()
    try {
      while (!this.#stopped && this.#isWaiting) {
        // Rights before content: what a node pushed is decided by what became of its membership.
        if (this.#rights.isWaiting) await this.#rights.next()
        else for (const key of [...this.#waiting].slice(0, 1)) await this.#content(key)
      }
    } finally {
      // In the same turn as the last look at what waits, so that nothing put down later is left waiting.
      this.#running = undefined
    }
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
