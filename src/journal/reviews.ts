import { type Dependent, isRight, reviewDependents } from './authority/review.ts'
import { disputed, opsOf, Rebuilding } from './content/rebuild.ts'
import { redecide } from './content/retract.ts'
import type { Archive } from './feed-log.ts'
import { type FeedId, type Frontier, familyOf, type Lane, type Op, parseFeedId } from './op.ts'
import { type Progress, replay } from './replay.ts'
import type { Draft, TableStore } from './table-store.ts'

/** Dependents decided between two groups: some milliseconds at most, so that nobody waits for a review to end. */
const DEPENDENTS_PER_SLICE = 256
/** Of what was written while a lane was read, as much may be left to be read with writers waiting. */
const TAIL_ENTRIES_MAX = 1_000

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
  #running: Promise<void> | undefined
  #stopped = false

  constructor(writer: Writer, archive: Archive) {
    this.#writer = writer
    this.#archive = archive
  }

  async open(): Promise<void> {
    for await (const { key } of this.#writer.tables.list('reviews')) this.#waiting.add(key)
    this.#wake()
  }

  /** A row of the table was written or removed. */
  changed(key: string, waits: boolean): void {
    if (waits) this.#waiting.add(key)
    else this.#waiting.delete(key)
    this.#wake()
  }

  /** Nothing waits to be decided again. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  async settled(): Promise<void> {
    while (this.#running) await this.#running
  }

  async close(): Promise<void> {
    this.#stopped = true
    await this.#running?.catch(() => {})
  }

  #wake(): void {
    if (this.#stopped || this.#waiting.size === 0) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    // What stood in the way of a review is told by whoever writes next; the row stays.
    this.#running.catch(() => {})
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.#waiting.size > 0) {
      // Rights before content: what a node pushed is decided by what became of its membership.
      const keys = [...this.#waiting]
      const key = keys.find(isRight) ?? (keys[0] as string)
      if (isRight(key)) await this.#right(key)
      else await this.#content(key)
    }
  }

  #right(key: string): Promise<void> {
    return this.#writer.turn(async (draft) => {
      const after = this.#writer.tables.get('reviews', key)?.after
      const dependents: Dependent[] = []
      const prefix = `${key}\u0000`
      const from = after ? { after } : {}
      const options = { prefix, limit: DEPENDENTS_PER_SLICE, ...from }
      let last = ''
      for await (const { key: at, row } of this.#writer.tables.list('dependents', options)) {
        dependents.push({ id: at.slice(prefix.length), entities: row.entities })
        last = at
      }
      draft.delete('reviews', key)
      reviewDependents(draft, dependents)
      const again = draft.has('reviews', key)
      if (!again && dependents.length === DEPENDENTS_PER_SLICE) draft.put('reviews', key, { after: last })
      return draft
    })
  }

  async #content(key: string): Promise<void> {
    const [what, id = ''] = key.split(':')
    // Taken off first: a right that changes while this reads puts it down again.
    const began = new Set<string>()
    if (what === 'tags-of') {
      for await (const { key: repository } of this.#writer.tables.list('repositories', {
        prefix: `${id}/`,
      })) {
        began.add(repository)
      }
    } else {
      for (const repository of await this.#disputedBy(id)) began.add(repository)
    }
    if (began.size > 0) await this.#rebuild(began, key)
    else
      await this.#writer.turn(async (draft) => {
        draft.delete('reviews', key)
        return draft
      })
  }

  /** Repositories to be made anew; what the author wrote elsewhere is decided at once. */
  async #disputedBy(author: string): Promise<Set<string>> {
    const repositories = new Set<string>()
    for (const feed of Object.keys(this.#writer.frontier())) {
      const { lane, author: by } = parseFeedId(feed)
      if (by !== author || lane === 'authority') continue
      if (familyOf(lane) === 'catalog') {
        for await (const ops of this.#opsOf(feed)) {
          for (const repository of disputed(this.#writer.tables, ops)) repositories.add(repository)
        }
      } else {
        await this.#writer.turn(async (draft) => {
          const all: Op[] = []
          for await (const ops of this.#opsOf(feed)) all.push(...ops)
          redecide(draft, all)
          return draft
        })
      }
    }
    return repositories
  }

  async *#opsOf(feed: FeedId): AsyncGenerator<Op[]> {
    const to = { [feed]: this.#writer.frontier()[feed] ?? 0 }
    const progress = await this.#beginning(parseFeedId(feed).lane)
    for await (const { entry, past } of replay(this.#archive, to, progress)) yield opsOf(entry, past)
  }

  /** Reads the catalog once for those repositories, then, with writers waiting, what came meanwhile. */
  async #rebuild(repositories: ReadonlySet<string>, key: string): Promise<void> {
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
    await this.#writer.turn(async (draft) => {
      await read(wanted())
      draft.take(await rebuilding.finish())
      draft.delete('reviews', key)
      return draft
    })
  }

  async #beginning(lane: Lane): Promise<Progress> {
    const base = await this.#archive.base(lane)
    return new Map(base ? [...base.feeds].map(([feed, { seq, seen }]) => [feed, { seq, seen }]) : [])
  }
}
