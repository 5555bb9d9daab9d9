import { z } from 'zod'
import { linkBetween } from '../../src/journal/link-policy.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import { SENDING_MS, SENDING_TELL_INTERVAL_MS, SENDING_TIMEOUT_MS } from './limits.ts'
import type { Senders } from './links.ts'

/** `-> { sending: 'hq/shop-7' }`, and nothing back: whoever sends says so to the nodes of its own site. */
export const SENDING_PROTOCOL = '/flotilla/links/1'

const sendingShape = z.strictObject({ sending: z.string().max(127) })

export interface SiteSendersComponents {
  readonly network: Pick<Network, 'self' | 'connected' | 'open' | 'handle'>
  readonly roster: Roster
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/**
 * Which nodes of the own site send over a link just now: they share its rate in equal parts. Parts by the nodes there
 * are would leave a link mostly idle, for a blob is often at one of them. Nothing is kept; a word that is lost costs
 * some seconds in which two together go over the rate.
 */
export class SiteSenders implements Senders, Startable {
  readonly #parts: SiteSendersComponents
  /** When they were heard last, by link; by the monotonic clock. */
  readonly #heard = new Map<string, Map<NodeId, number>>()
  readonly #toldAt = new Map<string, number>()
  #stopping = new AbortController()
  #handled = false

  constructor(parts: SiteSendersComponents) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    if (this.#handled) return // a network keeps its handlers
    this.#handled = true
    await this.#parts.network.handle(SENDING_PROTOCOL, (channel) => this.#hear(channel))
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
  }

  count(link: string): number {
    const since = this.#parts.clock.monotonic() - SENDING_MS
    const others = this.#heard.get(link)
    let count = 1
    for (const [node, at] of others ?? []) {
      if (at >= since) count++
      else others?.delete(node)
    }
    return count
  }

  sends(link: string): void {
    const now = this.#parts.clock.monotonic()
    if (now - (this.#toldAt.get(link) ?? Number.NEGATIVE_INFINITY) < SENDING_TELL_INTERVAL_MS) return
    this.#toldAt.set(link, now)
    for (const peer of this.#parts.network.connected()) if (this.#isNear(peer)) void this.#tell(peer, link)
  }

  async #tell(peer: NodeId, link: string): Promise<void> {
    const { network, timers, logger } = this.#parts
    const limit = new AbortController()
    const callOff = timers.after(SENDING_TIMEOUT_MS, () => limit.abort(new Error('took too long')))
    try {
      const channel = await network.open(
        peer,
        SENDING_PROTOCOL,
        AbortSignal.any([limit.signal, this.#stopping.signal]),
      )
      await channel.send({ sending: link })
      await channel.close()
    } catch (error) {
      logger.debug({ peer, err: error }, 'links: a node of the own site was not told of what is sent')
    } finally {
      callOff()
    }
  }

  /** Only of links of the own site, by its own nodes: so many there can be. */
  async #hear(channel: Channel): Promise<void> {
    const { roster, network, clock } = this.#parts
    const { sending } = sendingShape.parse(await channel.receive(this.#stopping.signal))
    const here = roster.get(network.self)?.site
    const isOurs = roster
      .members()
      .some(({ site }) => here !== undefined && site !== here && linkBetween(here, site) === sending)
    if (!isOurs || !this.#isNear(channel.peer)) return
    let nodes = this.#heard.get(sending)
    if (!nodes) this.#heard.set(sending, (nodes = new Map()))
    nodes.set(channel.peer, clock.monotonic())
  }

  #isNear(peer: NodeId): boolean {
    const { roster, network } = this.#parts
    const here = roster.get(network.self)?.site
    return here !== undefined && roster.get(peer)?.site === here
  }
}
