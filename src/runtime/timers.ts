import { setTimeout as sleep } from 'node:timers/promises'

/** Waiting comes in by hand, so that the simulation can jump ahead. */
export interface Timers {
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs `task` after `ms` milliseconds; the function it returns calls that off. */
  after(ms: number, task: () => void): () => void
}

export const systemTimers: Timers = {
  sleep: (ms, signal) => sleep(ms, undefined, { ...(signal && { signal }), ref: true }),
  after: (ms, task) => {
    const timer = setTimeout(task, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
