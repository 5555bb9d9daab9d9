import { reviewDependents } from './authority/review.ts'
import type { Tables } from './journal.ts'
import type { Right } from './rows.ts'
import { Draft } from './table-store.ts'
import type { Writer } from './writer.ts'

/** Dependents decided between two groups: some milliseconds at most, so that nobody waits for a review to end. */
const DEPENDENTS_PER_BATCH = 512
/** Entities in which they are, read at once. */
const ENTITIES_PER_PART = 512

/** Where some of those are who rest on a right, read before the writer's turn. */
interface Part {
  readonly right: Right
  readonly after: string
  /** Which putting down of the right it is for. */
  readonly renewal: number | undefined
  readonly entities: readonly string[]
  /** Others follow. */
  readonly isCut: boolean
}

/** What is to be written in one turn, decided before it. */
interface Batch {
  readonly parts: readonly Part[]
  readonly draft: Draft
  /** Of the last part, what is left for the next batch. */
  readonly rest: Part | undefined
  /** What it was decided upon: the batch before, and the state of the tables. */
  readonly before: Draft
  readonly rulings: number
  readonly opened: number
}

/**
 * Decides anew whatever rests on rights that were taken or given late, batch by batch. While one is written the next
 * is decided upon it; where an op of the authority's comes between the two, that one is decided once more.
 */
export class RightReviews {
  readonly #writer: Writer
  readonly #waiting = new Set<Right>()
  /** Numbers each time a right was put down from the start. */
  readonly #renewals = new Map<Right, number>()
  #lastRenewal = 0
  #ahead: Promise<Batch | undefined> = Promise.resolve(undefined)
  /** The batch written last. */
  #landed: Draft | undefined
  /** Counts how often the store was read anew. */
  #opened = 0

  constructor(writer: Writer) {
    this.#writer = writer
  }

  /** The store was changed behind the writer: what was under way then is dropped. */
  open(): void {
    this.#opened += 1
    this.#landed = undefined
    this.#waiting.clear()
    this.#renewals.clear()
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0
  }

  /** A row of the table was read, written or removed. */
  changed(right: Right, waits: boolean): void {
    if (waits) {
      this.#waiting.add(right)
      if (this.#afterOf(right) === '') this.#renewals.set(right, ++this.#lastRenewal)
    } else {
      this.#waiting.delete(right)
      this.#renewals.delete(right)
    }
  }

  /** Nothing is read any more once this is over. */
  async close(): Promise<void> {
    await this.#ahead
  }

  /** Decides and writes one batch. */
  async next(): Promise<void> {
    const opened = this.#opened
    const found = await this.#ahead
    const ahead = found?.before === this.#landed && found?.opened === opened ? found : undefined
    const parts = ahead?.parts ?? (await this.#first())
    this.#landed = undefined
    let landing: Draft | undefined
    let rest: Part | undefined
    await this.#writer.turn(
      async (draft) => {
        if (opened !== this.#opened) return draft
        if (ahead?.rulings === this.#writer.rulings) {
          ahead.draft.rest(this.#writer.tables)
          ;[landing, rest] = [ahead.draft, ahead.rest]
        } else [landing, rest] = [draft, this.#decide(draft, parts)]
        return landing
      },
      () => {
        // Where that fails it is tried again in its own time, and said then.
        if (landing) this.#ahead = this.#decideUpon(landing, rest).catch(() => undefined)
      },
    )
    this.#landed = landing
  }

  /** The next batch, while the one before is being written. */
  async #decideUpon(before: Draft, begun: Part | undefined): Promise<Batch | undefined> {
    const { rulings } = this.#writer
    const opened = this.#opened
    const draft = new Draft({ get: (table, key) => before.get(table, key) })
    const parts: Part[] = []
    const waiting = this.#waitingIn(draft, before)
    let rest = begun
    for (let left = DEPENDENTS_PER_BATCH; left > 0; ) {
      const part = rest ?? (await this.#read(draft, waiting.next().value))
      if (!part) break
      parts.push(part)
      const step = this.#step(draft, part, left)
      left -= step.effort
      rest = step.rest
    }
    return parts.length > 0 ? { parts, draft, rest, before, rulings, opened } : undefined
  }

  /**
   * Who comes to rest on a right after a part was read was decided by what counts by then; what counts changes
   * together with a renewal, and all of it is read again.
   */
  #decide(draft: Draft, parts: readonly Part[]): Part | undefined {
    let rest: Part | undefined
    let left = DEPENDENTS_PER_BATCH
    for (const part of parts) {
      const { right, after, renewal } = part
      if (left <= 0 || draft.get('reviews', right)?.after !== after) continue
      if (renewal !== this.#renewals.get(right)) continue
      const step = this.#step(draft, part, left)
      left -= step.effort
      rest = step.rest
    }
    return rest
  }

  /** @returns what of the part is left for the next batch */
  #step(draft: Draft, part: Part, most: number): { rest: Part | undefined; effort: number } {
    const { right, entities, isCut } = part
    draft.delete('reviews', right)
    const { passed, effort } = reviewDependents(draft, right, entities, most)
    const left = entities.slice(passed)
    // What it has decided may call for all of it to be decided once more.
    if ((left.length === 0 && !isCut) || draft.has('reviews', right)) return { rest: undefined, effort }
    const after = keyOf(right, entities[passed - 1] as string)
    draft.put('reviews', right, { after })
    return { rest: left.length > 0 ? { ...part, after, entities: left } : undefined, effort }
  }

  /** Rights that wait once `before` has been written, and that the draft has not been at. */
  *#waitingIn(draft: Draft, before: Draft): Generator<Right, undefined> {
    const waits = (right: Right) => draft.get('reviews', right) !== undefined
    for (const right of this.#waiting) if (waits(right)) yield right
    for (const { table, key } of before.changes.values()) {
      if (table === 'reviews' && isRight(key) && waits(key)) yield key
    }
    return undefined
  }

  async #first(): Promise<readonly Part[]> {
    const [right] = this.#waiting
    const part = await this.#read(this.#writer.tables, right)
    return part ? [part] : []
  }

  /** @returns undefined where the right waits no more */
  async #read(tables: Pick<Tables, 'get'>, right: Right | undefined): Promise<Part | undefined> {
    const after = right && tables.get('reviews', right)?.after
    if (!right || after === undefined) return undefined
    const renewal = this.#renewals.get(right)
    const prefix = keyOf(right, '')
    const options = { prefix, limit: ENTITIES_PER_PART, ...(after !== '' && { after }) }
    const entities: string[] = []
    for await (const { key } of this.#writer.tables.list('dependents', options)) {
      entities.push(key.slice(prefix.length))
    }
    return { right, after, renewal, entities, isCut: entities.length === ENTITIES_PER_PART }
  }

  #afterOf(right: Right): string {
    return this.#writer.tables.get('reviews', right)?.after ?? ''
  }
}

/** A right whose dependents wait to be reviewed: the key of `reviews`; what is not of that form is the content's. */
export function isRight(key: string): key is Right {
  return /#(?:member|account|system|project|invite)$/.test(key)
}

/** The key of `dependents`. */
function keyOf(right: Right, entity: string): string {
  return `${right}\u0000${entity}`
}
