import type { Journal } from '../../src/journal/journal.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network } from '../network/network.ts'
import { LinkDesk, recordedPolicies } from './link-desk.ts'
import { LinkMeter } from './link-meter.ts'
import { type LinkRules, Links } from './links.ts'
import { SiteSenders } from './senders.ts'

export interface LinkRoomComponents {
  readonly journal: Journal
  readonly network: Network
  readonly roster: Roster
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
}

/** The links between sites at one node: what transfers keep to, what is counted, and where it is seen and set. */
export class LinkRoom implements Startable {
  readonly rules: LinkRules
  readonly desk: LinkDesk
  /** In the order they are started. */
  readonly #parts: readonly Startable[]

  constructor(components: LinkRoomComponents) {
    const { journal, network } = components
    const meter = new LinkMeter(components)
    const senders = new SiteSenders(components)
    const policies = recordedPolicies(journal)
    const links = new Links({ ...components, self: network.self, policies, use: meter, senders })
    this.rules = links
    this.desk = new LinkDesk({ ...components, use: meter })
    this.#parts = [meter, senders, links]
  }

  async start(): Promise<void> {
    for (const part of this.#parts) await part.start()
  }

  async stop(): Promise<void> {
    for (const part of this.#parts.toReversed()) await part.stop()
  }
}
