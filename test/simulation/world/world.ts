import { createHash } from 'node:crypto'
import { EventHeap, type Scheduled } from './event-heap.ts'
import { SeededRandom } from './random.ts'

/** A promise that was broken, and how. */
export interface Violation {
  readonly promise: string
  readonly what: string
  readonly atMs: number
}

/**
 * Virtual time, and everything that happens in it, one event after another. All chance comes from one seed,
 * and after each event whatever it set off runs to its end, so a seed always gives the same run.
 */
export class World {
  readonly random: SeededRandom
  nowMs = 0
  events = 0
  violation: Violation | undefined
  readonly #heap = new EventHeap()
  readonly #trace = createHash('sha256')
  /** Promises known to be broken, by their first word: not looked at. */
  readonly #without: readonly string[]
  readonly #onEvent: ((line: string) => void) | undefined
  readonly #listening = new Set<() => void>()
  #order = 0
  /** Hashing each line by itself costs more than the line. */
  #unhashed = ''

  /** @param onEvent told of each event, for who wants to read along */
  constructor(seed: number, without: readonly string[] = [], onEvent?: (line: string) => void) {
    this.random = new SeededRandom(seed)
    this.#without = without
    this.#onEvent = onEvent
  }

  /** @returns what calls it off */
  schedule(afterMs: number, label: string, task: () => void): () => void {
    const atMs = this.nowMs + Math.max(0, afterMs)
    const item: Scheduled = { atMs, order: this.#order++, label, task }
    this.#heap.push(item)
    return () => {
      item.task = undefined
    }
  }

  /**
   * Calls `listener` when the signal is aborted, until that is ended or the world is.
   * @returns what ends it
   */
  onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
    const end = () => {
      signal?.removeEventListener('abort', listener)
      this.#listening.delete(end)
    }
    if (!signal) return end
    signal.addEventListener('abort', listener, { once: true })
    this.#listening.add(end)
    return end
  }

  /** Nothing happens any more. Node never lets go of a joined signal somebody listens to, and so of nobody who waits. */
  end(): void {
    for (const end of this.#listening) end()
  }

  /** Something worth being part of the run's fingerprint. */
  note(line: string): void {
    this.#unhashed += `${this.nowMs} ${line}\n`
    if (this.#unhashed.length > TRACE_BATCH) this.#hash()
    this.#onEvent?.(`${this.nowMs.toFixed(3).padStart(12)} ${line}`)
  }

  /** The first one counts: what follows is mostly its consequence. */
  fail(promise: string, what: string): void {
    if (this.#without.includes(promise.split(' ')[0] ?? '')) return
    this.violation ??= { promise, what, atMs: this.nowMs }
  }

  /** Lets things happen until `done`, until nothing is left to happen, or until a promise is broken. */
  async run(done: () => boolean): Promise<void> {
    while (!this.violation && !done()) {
      const next = this.#heap.pop()
      if (!next) return
      if (!next.task) continue
      this.nowMs = next.atMs
      this.events++
      this.note(next.label)
      try {
        next.task()
      } catch (error) {
        this.fail('no unhandled failure', describe(error))
      }
      await settled()
    }
  }

  /** Lets so much time pass. */
  async rest(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms
    this.schedule(ms, 'rest', () => {})
    await this.run(() => this.nowMs >= untilMs)
  }

  /** Lets time pass until it is done; it must not fail. */
  async until(task: Promise<unknown> | undefined): Promise<void> {
    let over = false
    task?.then(
      () => {
        over = true
      },
      (error: unknown) => this.fail('no unhandled failure', describe(error)),
    )
    this.schedule(0, 'go', () => {})
    await this.run(() => over)
  }

  #hash(): void {
    this.#trace.update(this.#unhashed)
    this.#unhashed = ''
  }

  /** Equal for two runs in which the same things happened at the same moments. */
  traceHash(): string {
    this.#hash()
    return this.#trace.copy().digest('hex')
  }
}

/** Characters that are hashed at a time. */
const TRACE_BATCH = 16_384

/** Resolves once every promise that can go on has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
