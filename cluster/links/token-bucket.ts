import type { Clock } from '../../src/runtime/clock.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { BURST_MS } from './limits.ts'

/**
 * Bytes a second, given out in the order they are asked for: a token bucket told as the time at which it is even
 * again, so that nothing runs while nobody waits.
 */
export class TokenBucket {
  readonly #clock: Clock
  readonly #timers: Timers
  /** By the monotonic clock, in milliseconds. */
  #evenAt = 0

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = clock
    this.#timers = timers
  }

  /**
   * Resolves when the bytes may go.
   * @param rate bytes a second from here on
   */
  async take(bytes: number, rate: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic()
    const goesAt = Math.max(this.#evenAt, now - BURST_MS)
    this.#evenAt = goesAt + (bytes * 1000) / rate
    if (goesAt > now) await this.#timers.sleep(goesAt - now, signal)
  }
}
