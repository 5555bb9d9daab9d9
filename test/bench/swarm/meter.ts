import { monitorEventLoopDelay } from 'node:perf_hooks'

/** What `monitorEventLoopDelay` adds to every sample by itself. */
const RESOLUTION_MS = 5

/** What a stretch of work cost the process that did it. */
export interface Cost {
  readonly ms: number
  readonly cpuMs: number
  /** Of it, by the thread that serves HTTP. */
  readonly mainCpuMs: number
  readonly rss: number
  /** Event-loop delay of the main thread, milliseconds. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** Of the process it is in, from `start` to `stop`. */
export class Meter {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #startedAt = 0
  #cpu = process.cpuUsage()
  #mainCpu = process.threadCpuUsage()
  #peak = 0
  #watching: NodeJS.Timeout | undefined

  start(): void {
    clearInterval(this.#watching)
    this.#peak = process.memoryUsage.rss()
    this.#watching = setInterval(() => {
      this.#peak = Math.max(this.#peak, process.memoryUsage.rss())
    }, 50).unref()
    this.#delay.reset()
    this.#delay.enable()
    this.#cpu = process.cpuUsage()
    this.#mainCpu = process.threadCpuUsage()
    this.#startedAt = performance.now()
  }

  get soFar(): { readonly ms: number; readonly cpuMs: number } {
    const { user, system } = process.cpuUsage(this.#cpu)
    return { ms: performance.now() - this.#startedAt, cpuMs: (user + system) / 1000 }
  }

  stop(): Cost {
    const spent = this.soFar
    const { user, system } = process.threadCpuUsage(this.#mainCpu)
    this.#delay.disable()
    clearInterval(this.#watching)
    const of = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
    const { max } = this.#delay
    const delay = { p50: of(this.#delay.percentile(50)), p99: of(this.#delay.percentile(99)), max: of(max) }
    return { ...spent, mainCpuMs: (user + system) / 1000, rss: this.#peak, delay }
  }
}
