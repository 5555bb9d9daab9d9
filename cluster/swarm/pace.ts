import type { Clock } from '../../src/runtime/clock.ts'

/** How fast bytes may leave over one connection. Asked before they are read, so that what waits takes no memory. */
export interface Pace {
  /** Takes `bytes` and returns 0 where they may leave now; otherwise takes nothing, and returns the milliseconds to wait. */
  take(bytes: number): number
}

/** A token bucket that holds a tenth of a second's worth. */
export class Bucket implements Pace {
  readonly #clock: Clock
  readonly #perMs: number
  #tokens: number
  #at: number

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock
    this.#perMs = bytesPerSecond / 1000
    this.#tokens = this.#perMs * 100
    this.#at = clock.monotonic()
  }

  take(bytes: number): number {
    const now = this.#clock.monotonic()
    // What is in it may leave whole even where it is larger than the bucket: the debt is waited for.
    this.#tokens = Math.min(this.#perMs * 100, this.#tokens + (now - this.#at) * this.#perMs)
    this.#at = now
    if (this.#tokens <= 0) return Math.max(1, -this.#tokens / this.#perMs)
    this.#tokens -= bytes
    return 0
  }
}
