import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { PEER_CHECK_MS } from '../limits.ts'
import type { Gossip } from './gossip.ts'
import type { MemberNode } from './libp2p-node.ts'
import type { Links } from './links.ts'
import type { NodeId } from './network.ts'

/** Mends, every few seconds, what libp2p leaves broken: connections that never answer, gossip that ended. */
export class Mender implements Startable {
  readonly #node: MemberNode
  readonly #links: Links
  readonly #gossip: Gossip
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #stopping = new AbortController()
  #running = Promise.resolve()

  constructor(node: MemberNode, links: Links, gossip: Gossip, clock: Clock, timers: Timers) {
    this.#node = node
    this.#links = links
    this.#gossip = gossip
    this.#clock = clock
    this.#timers = timers
  }

  async start(): Promise<void> {
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#timers.sleep(PEER_CHECK_MS, signal).catch(() => {})
      if (signal.aborted) return
      for (const peer of this.#links.silent(2 * PEER_CHECK_MS, this.#clock.monotonic()))
        this.#cut(peer, undefined)
      const deaf = this.#links.up().filter((peer) => !this.#gossip.reaches(peer))
      await Promise.all(deaf.map((peer) => this.#mend(peer, signal)))
    }
  }

  /**
   * A stream ends with its connection while another one lives: identify tells gossipsub of the peer once
   * more, which then opens a new one. Whom gossipsub has dropped for a broken frame it hears no more, nor
   * does the peer notice: only a new connection helps.
   */
  async #mend(peer: NodeId, signal: AbortSignal): Promise<void> {
    if (!this.#gossip.knows(peer)) return this.#cut(peer, undefined)
    const connection = this.#links.connections(peer).at(-1)
    try {
      if (connection) await this.#node.services.identify.identify(connection, { signal })
    } catch (error) {
      if (!signal.aborted) this.#cut(peer, error)
    }
  }

  #cut(peer: NodeId, cause: unknown): void {
    const fault = new Fault('PEER_UNREACHABLE', 'the member does not answer', { peer }, cause)
    for (const connection of this.#links.connections(peer)) connection.abort(fault)
  }
}
