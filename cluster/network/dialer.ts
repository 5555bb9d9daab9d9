import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { DIALS_CONCURRENT_MAX, REDIAL_MS_MAX, REDIAL_MS_MIN } from '../limits.ts'
import type { Member, Roster } from '../membership/roster.ts'
import type { NodeId } from './network.ts'

/** The part of the host that the dialer works with. */
export interface DialTarget {
  readonly self: NodeId
  /** Connected, and the member has accepted us: a dial that merely succeeded proves nothing. */
  isUp(peer: NodeId): boolean
  dial(member: Member, signal: AbortSignal): Promise<void>
}

/** What is known of a member that is not up. */
export interface Attempts {
  readonly failures: number
  readonly dueAtMs: number
  readonly dialling: boolean
}

/**
 * Keeps trying to reach every member that is not up: at once when one appears or is lost, then less and
 * less often. Both ends dial; two connections do no harm, and one end may be behind a firewall.
 */
export class MemberDialer implements Startable {
  readonly #target: DialTarget
  readonly #roster: Roster
  readonly #clock: Clock
  readonly #random: Random
  readonly #timers: Timers
  readonly #log: Logger
  readonly #attempts = new Map<NodeId, Attempts>()
  readonly #dials = new Set<Promise<void>>()
  #stopping = new AbortController()
  #callOff = () => {}
  #unfollow = () => {}

  constructor(target: DialTarget, roster: Roster, clock: Clock, random: Random, timers: Timers, log: Logger) {
    this.#target = target
    this.#roster = roster
    this.#clock = clock
    this.#random = random
    this.#timers = timers
    this.#log = log
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#unfollow = this.#roster.onChange(() => this.sweep())
    this.sweep()
  }

  async stop(): Promise<void> {
    this.#unfollow()
    this.#callOff()
    this.#stopping.abort(new Error('the network is stopping'))
    await Promise.allSettled(this.#dials)
    this.#attempts.clear()
  }

  /** Dials who is due, and sees to it that this runs again when the next one is. */
  sweep(): void {
    if (this.#stopping.signal.aborted) return
    this.#callOff()
    const absent = this.#roster
      .members()
      .filter(({ id }) => id !== this.#target.self && this.#roster.isMember(id) && !this.#target.isUp(id))
    const ids = new Set(absent.map(({ id }) => id))
    for (const [id, { dialling }] of this.#attempts) if (!dialling && !ids.has(id)) this.#attempts.delete(id)
    const { due, nextMs } = planDials(absent, this.#attempts, this.#clock.monotonic())
    for (const member of due) this.#dial(member)
    this.#callOff = nextMs === undefined ? () => {} : this.#timers.after(nextMs, () => this.sweep())
  }

  #dial(member: Member): void {
    const failures = this.#attempts.get(member.id)?.failures ?? 0
    this.#attempts.set(member.id, { failures, dueAtMs: 0, dialling: true })
    const dial = this.#target
      .dial(member, this.#stopping.signal)
      .catch((error: unknown) => {
        this.#log.debug({ peer: member.id, name: member.name, failures, error }, 'a member cannot be reached')
      })
      .then(() => {
        this.#dials.delete(dial)
        const waitMs = redialMs(failures, this.#random)
        const dueAtMs = this.#clock.monotonic() + waitMs
        this.#attempts.set(member.id, { failures: failures + 1, dueAtMs, dialling: false })
        this.sweep()
      })
    this.#dials.add(dial)
  }
}

/** Whom to dial now, and in how many milliseconds to ask again. */
export function planDials(
  absent: readonly Member[],
  attempts: ReadonlyMap<NodeId, Attempts>,
  nowMs: number,
): { due: Member[]; nextMs: number | undefined } {
  const waiting = absent.filter(({ id }) => !attempts.get(id)?.dialling)
  const free = DIALS_CONCURRENT_MAX - [...attempts.values()].filter(({ dialling }) => dialling).length
  const dueAt = ({ id }: Member) => attempts.get(id)?.dueAtMs ?? 0
  const due = waiting.filter((member) => dueAt(member) <= nowMs).slice(0, Math.max(0, free))
  const later = waiting.filter((member) => dueAt(member) > nowMs).map((member) => dueAt(member) - nowMs)
  return { due, nextMs: later.length === 0 ? undefined : Math.min(...later) }
}

/** Doubles per failure; half of it is chance, so that a site that comes back does not meet all at once. */
export function redialMs(failures: number, random: Random): number {
  const whole = Math.min(REDIAL_MS_MAX, REDIAL_MS_MIN * 2 ** Math.min(failures, 16))
  return whole / 2 + random.integer(Math.ceil(whole / 2))
}
