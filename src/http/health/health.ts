import { Fault } from '../../errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Timers } from '../../runtime/timers.ts'
import { answerOf, isOfStorage } from '../errors.ts'

/** A disk that takes longer does not serve either. */
const PROBE_MS_MAX = 2000
/** Nobody has to log in to ask, so asking often must cost little. */
const REPORT_FRESH_MS = 1000

/** Something the node can't serve without. */
export interface Probe {
  readonly name: string
  /** Rejects when it does not work. @returns what keeps it from working fully, where it does all the same */
  check(): Promise<string | undefined>
}

export interface HealthReport {
  readonly status: 'healthy' | 'unhealthy'
  readonly components: readonly ComponentHealth[]
}

export interface ComponentHealth {
  readonly name: string
  readonly status: 'healthy' | 'unhealthy'
  /** Why it is not, where that is the disk. */
  readonly error?: string
  /** What does not work though it may be sent requests. */
  readonly notice?: string
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

  /** What is wrong goes to the log: strangers are told no more than that it is, and whether an operator has to see to the disk. */
  async #tried(probe: Probe): Promise<ComponentHealth> {
    const { name } = probe
    try {
      const notice = await this.#inTime(probe.check())
      return { name, status: 'healthy', ...(notice !== undefined && { notice }) }
    } catch (error) {
      this.#logger.warn({ component: name, err: error }, 'a part of the node does not work')
      return { name, status: 'unhealthy', ...(isOfStorage(error) && { error: answerOf(error).message }) }
    }
  }

  async #inTime<T>(check: Promise<T>): Promise<T> {
    let callOff = () => {}
    const late = new Promise<never>((_resolve, reject) => {
      callOff = this.#timers.after(PROBE_MS_MAX, () =>
        reject(new Fault('PROBE_TIMED_OUT', `no answer within ${PROBE_MS_MAX} ms`)),
      )
    })
    try {
      return await Promise.race([check, late])
    } finally {
      callOff()
    }
  }
}
