import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import { CatchUp } from './catch-up.ts'
import { EntryGossip } from './entry-gossip.ts'
import { LedgerServer } from './ledger-server.ts'
import { LEDGER_PROTOCOL } from './messages.ts'
import { PeerFacts, type PeerSync } from './peer-facts.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'

export interface ReplicationParts {
  readonly journal: ReplicatedJournal
  readonly network: Network
  readonly roster: Roster
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}

/** Carries the journal's entries between members: gossip for freshness, catching up for correctness. */
export class Replication implements Startable {
  readonly #parts: ReplicationParts
  readonly #facts: PeerFacts
  readonly #catchUp: CatchUp
  readonly #gossip: EntryGossip
  readonly #server: LedgerServer
  #handled = false
  #running = false
  #unfollow = () => {}

  constructor(parts: ReplicationParts) {
    const { journal, network, log } = parts
    this.#parts = parts
    this.#facts = new PeerFacts(parts.clock, log, (feed) => journal.isForked(feed))
    this.#catchUp = new CatchUp({ ...parts, facts: this.#facts })
    this.#gossip = new EntryGossip(journal, network, parts.timers, log, (peer) =>
      this.#catchUp.incomplete(peer),
    )
    this.#server = new LedgerServer(journal, parts.timers, (peer, here, there, stateHash) => {
      this.#facts.record(peer, here, there, stateHash)
      if (there) this.#catchUp.offered(peer, there)
    })
  }

  /** The journal is open and the network runs. */
  async start(): Promise<void> {
    const { network, roster } = this.#parts
    this.#running = true
    if (!this.#handled) await network.handle(LEDGER_PROTOCOL, (channel) => this.#serve(channel))
    this.#handled = true
    await this.#gossip.start()
    await this.#catchUp.start()
    this.#unfollow = roster.onChange(() => this.#facts.keep((peer) => roster.get(peer) !== undefined))
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#unfollow()
    await this.#gossip.stop()
    await this.#catchUp.stop()
  }

  /** Pulls from one member until it has nothing we lack: a newcomer's first step. */
  catchUp(peer: NodeId, signal: AbortSignal): Promise<void> {
    return this.#catchUp.pull(peer, signal)
  }

  /** How each member stood against us at the last comparison. */
  peers(): Map<NodeId, PeerSync> {
    return this.#facts.all()
  }

  /** The network has no way to take a protocol back. */
  async #serve(channel: Channel): Promise<void> {
    if (this.#running) return this.#server.serve(channel)
    throw new Fault('LEDGER_STOPPED', 'this node does not replicate now')
  }
}
