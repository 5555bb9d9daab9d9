import type { Clock } from '../../../src/runtime/clock.ts'
import type { Timers } from '../../../src/runtime/timers.ts'
import type { World } from './world.ts'

/** Where virtual time begins, in milliseconds since 1970. */
const BEGINNING_MS = 1_800_000_000_000

/** From boot to crash of one node: what belongs to a life that has ended does not happen any more. */
export interface Life {
  alive: boolean
}

/** A node's wall clock may be wrong, jump and flicker; its monotonic one only goes forward. */
export class SimClock implements Clock {
  skewMs = 0
  /** Each look at the clock gives something else, by up to so much. */
  strobeMs = 0
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  now(): number {
    const flicker = this.strobeMs > 0 ? this.#world.random.between(-this.strobeMs, this.strobeMs) : 0
    return Math.max(0, Math.round(BEGINNING_MS + this.#world.nowMs + this.skewMs + flicker))
  }

  monotonic(): number {
    return this.#world.nowMs
  }
}

/** Virtual waiting. */
export class SimTimers implements Timers {
  readonly #world: World
  readonly #life: Life
  readonly #owner: string

  constructor(world: World, life: Life, owner: string) {
    this.#world = world
    this.#life = life
    this.#owner = owner
  }

  after(ms: number, task: () => void): () => void {
    // As Node has it: whole milliseconds, one at least. Without, a wait for what rounding left over never ends.
    return this.#world.schedule(Math.max(1, Math.trunc(ms)), `${this.#owner} timer`, () => {
      if (this.#life.alive) task()
    })
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const callOff = this.after(ms, () => {
        unheed()
        resolve()
      })
      const unheed = this.#world.onAbort(signal, () => {
        unheed()
        callOff()
        reject(signal?.reason as Error)
      })
    })
  }
}
