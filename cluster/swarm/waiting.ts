import { Fault } from '../../src/errors.ts'
import type { Timers } from '../../src/runtime/timers.ts'

/** `promise`, or the signal's reason where that comes first. The promise itself goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * Runs `task` with a signal that is aborted after `ms` or with `signal`.
 * @throws Fault TIMED_OUT when the time was up
 */
export async function within<T>(
  timers: Timers,
  ms: number,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const onAbort = () => controller.abort(signal?.reason)
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const cancel = timers.after(ms, () =>
    controller.abort(new Fault('TIMED_OUT', `no answer within ${ms} ms`, { ms })),
  )
  try {
    return await abortable(task(controller.signal), controller.signal)
  } finally {
    cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Something changed: everybody who waits looks again. */
export class Change {
  #waiting = new Set<() => void>()

  announce(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /** Resolves with the next `announce`. */
  async next(signal?: AbortSignal): Promise<void> {
    let wake = () => {}
    const announced = new Promise<void>((resolve) => {
      wake = resolve
    })
    this.#waiting.add(wake)
    try {
      await abortable(announced, signal)
    } finally {
      this.#waiting.delete(wake)
    }
  }
}

/** A number of places taken and given back; who finds none waits in line. */
export class Places {
  readonly #line: (() => void)[] = []
  readonly #waitingMax: number
  #free: number

  constructor(places: number, waitingMax = Number.POSITIVE_INFINITY) {
    this.#free = places
    this.#waitingMax = waitingMax
  }

  /**
   * @returns gives the place back; call it once
   * @throws Fault TOO_MANY_WAITING when the line is full
   */
  async take(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return () => this.#giveBack()
    }
    if (this.#line.length >= this.#waitingMax) {
      throw new Fault('TOO_MANY_WAITING', 'too many wait for their turn already; try again later', {
        waiting: this.#line.length,
      })
    }
    let enter = () => {}
    const turn = new Promise<void>((resolve) => {
      enter = resolve
    })
    this.#line.push(enter)
    try {
      await abortable(turn, signal)
    } catch (error) {
      const at = this.#line.indexOf(enter)
      if (at >= 0) this.#line.splice(at, 1)
      else this.#giveBack() // the turn came together with the abort
      throw error
    }
    return () => this.#giveBack()
  }

  #giveBack(): void {
    const next = this.#line.shift()
    if (next) next()
    else this.#free++
  }
}
