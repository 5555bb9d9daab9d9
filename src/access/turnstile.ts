import { Fault } from '../errors.ts'

/** Lets so many through at once and so many wait; everybody else is told at once. */
export class Turnstile {
  readonly #inside: number
  readonly #queue: number
  #running = 0
  readonly #waiting = new Set<() => void>()

  constructor(limits: { readonly inside: number; readonly waiting: number }) {
    this.#inside = limits.inside
    this.#queue = limits.waiting
  }

  /**
   * @throws Fault TOO_MANY_REQUESTS when too many wait already
   * @throws the signal's reason when it is aborted before the work began
   */
  async pass<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal)
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#running < this.#inside) {
      this.#running += 1
      return
    }
    if (this.#waiting.size >= this.#queue) {
      throw new Fault('TOO_MANY_REQUESTS', 'too many log-ins at once; try again in a moment', {
        retryAfterSeconds: 1,
      })
    }
    await new Promise<void>((resolve, reject) => {
      const abandon = () => {
        this.#waiting.delete(go)
        reject(signal?.reason as Error)
      }
      const go = () => {
        signal?.removeEventListener('abort', abandon)
        resolve()
      }
      this.#waiting.add(go)
      signal?.addEventListener('abort', abandon, { once: true })
    })
  }

  /** Hands the place to whoever waits longest, so that nobody can slip in between. */
  #leave(): void {
    const [next] = this.#waiting
    if (!next) {
      this.#running -= 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
