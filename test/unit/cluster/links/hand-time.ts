import type { Clock } from '../../../../src/runtime/clock.ts'
import type { Timers } from '../../../../src/runtime/timers.ts'
import { HandClock } from '../../../support/sites.ts'

/** Whoever was let go has gone on. */
const settled = () => new Promise(setImmediate)

/** Time that goes where the test says, with what waits for it. */
export class HandTime {
  readonly #clock = new HandClock()
  readonly #due: { readonly at: number; readonly task: () => void }[] = []
  readonly clock: Clock = this.#clock

  readonly timers: Timers = {
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const callOff = this.timers.after(ms, resolve)
        signal?.addEventListener('abort', () => {
          callOff()
          reject(signal.reason as Error)
        })
      }),
    after: (ms, task) => {
      const one = { at: this.#clock.monotonic() + ms, task }
      this.#due.push(one)
      return () => {
        const index = this.#due.indexOf(one)
        if (index >= 0) this.#due.splice(index, 1)
      }
    },
  }

  /** What is due meanwhile is done in its order. */
  advance(ms: number): void {
    const until = this.#clock.monotonic() + ms
    for (let next = this.#next(until); next; next = this.#next(until)) {
      this.#clock.advance(Math.max(0, next.at - this.#clock.monotonic()))
      this.#due.splice(this.#due.indexOf(next), 1)
      next.task()
    }
    this.#clock.advance(until - this.#clock.monotonic())
  }

  /** Until nothing waits any more. */
  async run(): Promise<void> {
    for (await settled(); this.#due.length > 0; await settled()) {
      const [next] = this.#due.toSorted((a, b) => a.at - b.at)
      this.advance(Math.max(0, (next?.at ?? 0) - this.#clock.monotonic()))
    }
  }

  #next(until: number) {
    return this.#due.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0]
  }
}
