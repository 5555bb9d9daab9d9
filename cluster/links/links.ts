import type { Fault } from '../../src/errors.ts'
import { type LinkPolicy, linkBetween } from '../../src/journal/link-policy.ts'
import type { Purpose } from '../../src/registry/blob-source.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import { LOOK_INTERVAL_MS } from './limits.ts'
import type { LinkUse } from './link-meter.ts'
import { classOf, closedFault, isClosedFor, type LinkClass, type LinkState, stateOf } from './link-state.ts'
import { TokenBucket } from './token-bucket.ts'

/** What holds of each link, as the records have it. */
export interface LinkPolicies {
  policy(link: string): LinkPolicy
  onChange(listener: () => void): () => void
}

/** What a transfer has to keep to. */
export interface LinkRules {
  classOf(member: NodeId, purpose: Purpose): LinkClass
  /** Why nothing goes over the link to this member; undefined where something does. */
  refusal(member: NodeId, purpose: Purpose): Fault | undefined
  /** What goes over the link to this member is paced and counted by it; undefined where there is none. */
  pace(member: NodeId, purpose: Purpose): Pace | undefined
  /** A link may have opened or closed. */
  onChange(listener: () => void): () => void
}

export interface Pace {
  /**
   * Resolves when so many bytes may be sent, which are counted.
   * @throws Fault LINK_CLOSED
   */
  send(bytes: number, signal: AbortSignal): Promise<void>
  /** So many came in. */
  received(bytes: number): void
}

/** How many nodes of the own site send over a link now, this one among them. */
export interface Senders {
  count(link: string): number
  /** This node sends over it. */
  sends(link: string): void
}

export interface LinksComponents {
  readonly self: NodeId
  readonly roster: Roster
  readonly policies: LinkPolicies
  readonly use: LinkUse
  readonly senders: Senders
  readonly clock: Clock
  readonly timers: Timers
}

/** The links between this node's site and the others: what may go over them now, and how fast. */
export class Links implements LinkRules, Startable {
  readonly #parts: LinksComponents
  readonly #policies = new Map<string, LinkPolicy>()
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #listeners = new Set<() => void>()
  #closed = ''
  #unfollow: (() => void)[] = []
  #callOff = () => {}

  constructor(parts: LinksComponents) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { policies, roster } = this.#parts
    const changed = () => {
      this.#policies.clear()
      this.#tell()
    }
    this.#unfollow = [policies.onChange(changed), roster.onChange(changed)]
    this.#closed = this.#closedNow()
    this.#watch()
  }

  async stop(): Promise<void> {
    this.#callOff()
    for (const unfollow of this.#unfollow.splice(0)) unfollow()
  }

  classOf(member: NodeId, purpose: Purpose): LinkClass {
    const link = this.linkTo(member)
    return link === undefined ? 'near' : classOf(this.policy(link), this.state(link), purpose)
  }

  refusal(member: NodeId, purpose: Purpose): Fault | undefined {
    const link = this.linkTo(member)
    return link !== undefined && this.classOf(member, purpose) === 'closed' ? this.#fault(link) : undefined
  }

  pace(member: NodeId, purpose: Purpose): Pace | undefined {
    const link = this.linkTo(member)
    if (link === undefined) return undefined
    return {
      send: (bytes, signal) => this.#send(link, bytes, purpose, signal),
      received: (bytes) => this.#count(link, 'received', bytes),
    }
  }

  onChange(listener: () => void): () => void {
    const own = () => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Undefined for a member of the own site, and for one of which no site is known. */
  linkTo(member: NodeId): string | undefined {
    const { self, roster } = this.#parts
    const [here, there] = [roster.get(self)?.site, roster.get(member)?.site]
    return here === undefined || there === undefined || here === there ? undefined : linkBetween(here, there)
  }

  policy(link: string): LinkPolicy {
    let policy = this.#policies.get(link)
    if (!policy) this.#policies.set(link, (policy = this.#parts.policies.policy(link)))
    return policy
  }

  state(link: string): LinkState {
    return stateOf(this.policy(link), this.#parts.use.used(link), this.#parts.clock.now())
  }

  async #send(link: string, bytes: number, purpose: Purpose, signal: AbortSignal): Promise<void> {
    const { senders } = this.#parts
    const { rate } = this.policy(link)
    if (rate !== null) {
      senders.sends(link)
      let bucket = this.#buckets.get(link)
      if (!bucket) this.#buckets.set(link, (bucket = new TokenBucket(this.#parts)))
      await bucket.take(bytes, rate / senders.count(link), signal)
    }
    const { closed } = this.state(link)
    if (closed !== null && isClosedFor(purpose, closed)) throw this.#fault(link)
    this.#count(link, 'sent', bytes)
  }

  #count(link: string, way: 'sent' | 'received', bytes: number): void {
    const { use } = this.#parts
    const { budget } = this.policy(link)
    use.count(link, way, bytes)
    if (budget !== null && use.used(link) >= budget) this.#tellIfOther()
  }

  #fault(link: string): Fault {
    return closedFault(link, this.policy(link), this.state(link))
  }

  #watch(): void {
    this.#callOff = this.#parts.timers.after(LOOK_INTERVAL_MS, () => {
      this.#tellIfOther()
      this.#watch()
    })
  }

  #tellIfOther(): void {
    if (this.#closedNow() !== this.#closed) this.#tell()
  }

  #tell(): void {
    this.#closed = this.#closedNow()
    for (const listener of this.#listeners) listener()
  }

  /** Which links of the own site are closed, and why. */
  #closedNow(): string {
    const { self, roster } = this.#parts
    const here = roster.get(self)?.site
    const sites = new Set(roster.members().map(({ site }) => site))
    if (here === undefined) return ''
    const links = [...sites].filter((site) => site !== here).map((site) => linkBetween(here, site))
    return links.map((link) => `${link} ${this.state(link).closed}`).join()
  }
}

/** Where there is one site and nothing was ever said of links. */
export const NO_LINKS: LinkRules = {
  classOf: () => 'near',
  refusal: () => undefined,
  pace: () => undefined,
  onChange: () => () => {},
}
