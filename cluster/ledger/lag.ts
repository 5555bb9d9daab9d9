import type { FeedId, Frontier } from '../../src/journal/op.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Heads } from './position.ts'

/** What somebody said exists, and since when it has been lacking here. */
interface Lacking {
  readonly seq: number
  readonly sinceMs: number
}

/**
 * How long this node has lacked what members say exists. A node that is kept from hearing something, a
 * revocation for one, goes on as if it had not happened: that it lacks something it can know.
 */
export class Lag {
  readonly #clock: Clock
  readonly #journal: { frontier(): Frontier; forkedAt(feed: FeedId): number }
  readonly #lacking = new Map<FeedId, Lacking>()

  constructor(clock: Clock, journal: { frontier(): Frontier; forkedAt(feed: FeedId): number }) {
    this.#clock = clock
    this.#journal = journal
  }

  /** Where a member said it stands. */
  heard(there: Heads | undefined): void {
    const here = this.#settle()
    for (const [feed, head] of there ?? []) {
      const seq = Math.min(head.seq, this.#journal.forkedAt(feed) - 1)
      // One that grows all the time is no lag, as long as what was lacking first arrives.
      if (seq > (here[feed] ?? 0) && !this.#lacking.has(feed))
        this.#lacking.set(feed, { seq, sinceMs: this.#clock.monotonic() })
    }
  }

  /** Milliseconds; null while nothing is lacking that is known of. */
  get ms(): number | null {
    this.#settle()
    const since = [...this.#lacking.values()].map(({ sinceMs }) => sinceMs)
    return since.length === 0 ? null : this.#clock.monotonic() - Math.min(...since)
  }

  #settle(): Frontier {
    const here = this.#journal.frontier()
    for (const [feed, { seq }] of this.#lacking)
      if ((here[feed] ?? 0) >= Math.min(seq, this.#journal.forkedAt(feed) - 1)) this.#lacking.delete(feed)
    return here
  }
}
