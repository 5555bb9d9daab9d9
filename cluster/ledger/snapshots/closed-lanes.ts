import { Fault } from '../../../src/errors.ts'
import type { Lane } from '../../../src/journal/op.ts'

interface Closed {
  /** Its rows were here before and will be again soon. */
  readonly reopens: boolean
  readonly opened: PromiseWithResolvers<void>
}

/** Lanes whose rows come and go: entries of theirs are neither written nor taken in. */
export class ClosedLanes {
  readonly #closed = new Map<Lane, Closed>()
  /** What was begun and could not be undone: closed until the next install, or the next start. */
  readonly #broken = new Set<Lane>()

  has(lane: Lane): boolean {
    return this.#closed.has(lane) || this.#broken.has(lane)
  }

  /** @param reopens whether it is worth waiting for. @throws Fault JOURNAL_BUSY where it is closed already */
  close(lane: Lane, reopens: boolean): void {
    if (this.#closed.has(lane)) {
      throw new Fault('JOURNAL_BUSY', 'another snapshot is taking the lane’s place', { lane })
    }
    this.#broken.delete(lane)
    this.#closed.set(lane, { reopens, opened: Promise.withResolvers() })
  }

  /** @param whole false: its rows are not what they should be */
  open(lane: Lane, whole: boolean): void {
    const closed = this.#closed.get(lane)
    if (!closed) return
    this.#closed.delete(lane)
    if (!whole) this.#broken.add(lane)
    closed.opened.resolve()
  }

  /** For who wants to write in the lane; undefined where nothing is to be waited for. */
  reopening(lane: Lane): Promise<void> | undefined {
    const closed = this.#closed.get(lane)
    return closed?.reopens ? closed.opened.promise : undefined
  }

  /** None is closed. */
  async none(): Promise<void> {
    for (let [first] = this.#closed.values(); first; [first] = this.#closed.values()) {
      await first.opened.promise
    }
  }
}
