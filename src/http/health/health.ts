import { Fault } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Timers } from '../../runtime/timers.ts'

/** A disk that takes longer does not serve either. */
const PROBE_MS_MAX = 2000
/** Nobody has to log in to ask, so asking often must cost little. */
const REPORT_FRESH_MS = 1000

/** Something the node can't serve without. */
export interface Probe {
  readonly name: string
  /** Rejects when it does not work. */
  check(): Promise<void>
}

export interface HealthReport {
  readonly status: 'healthy' | 'unhealthy'
  readonly components: readonly { readonly name: string; readonly status: 'healthy' | 'unhealthy' }[]
}

/** Whether this node works, found out by trying. */
export class Health {
  readonly #probes: readonly Probe[]
  readonly #timers: Timers
  readonly #clock: Clock
  readonly #logger: Logger
  #latest: { readonly report: Promise<HealthReport>; readonly at: number } | undefined

  constructor(parts: { probes: readonly Probe[]; timers: Timers; clock: Clock; logger: Logger }) {
    this.#probes = parts.probes
    this.#timers = parts.timers
    this.#clock = parts.clock
    this.#logger = parts.logger
  }

  report(): Promise<HealthReport> {
    const now = this.#clock.monotonic()
    if (this.#latest && now - this.#latest.at < REPORT_FRESH_MS) return this.#latest.report
    const report = this.#probe()
    this.#latest = { report, at: now }
    return report
  }

  async #probe(): Promise<HealthReport> {
    const components = await Promise.all(this.#probes.map((probe) => this.#tried(probe)))
    const healthy = components.every(({ status }) => status === 'healthy')
    return { status: healthy ? 'healthy' : 'unhealthy', components }
  }

  /** What is wrong goes to the log: strangers are told no more than that it is. */
  async #tried(probe: Probe): Promise<HealthReport['components'][number]> {
    const { name } = probe
    try {
      await this.#inTime(probe.check())
      return { name, status: 'healthy' }
    } catch (error) {
      this.#logger.warn({ component: name, err: error }, 'a part of the node does not work')
      return { name, status: 'unhealthy' }
    }
  }

  async #inTime(check: Promise<void>): Promise<void> {
    let callOff = () => {}
    const late = new Promise<never>((_resolve, reject) => {
      callOff = this.#timers.after(PROBE_MS_MAX, () =>
        reject(new Fault('PROBE_TIMED_OUT', `no answer within ${PROBE_MS_MAX} ms`)),
      )
    })
    try {
      await Promise.race([check, late])
    } finally {
      callOff()
    }
  }
}
