import type { Connection } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { FORMER_CONNECTION_MS_MAX, FORMER_CONNECTIONS_MAX, FORMER_REST_MS } from '../limits.ts'
import type { Roster } from '../membership/roster.ts'
import type { NodeId } from './network.ts'

type FormerListener = (peer: NodeId) => void

/**
 * Connections with nodes that were put out, so that they hear of it: few, short, seldom, and limited in
 * libp2p's sense, which refuses every protocol on them that does not ask for such. Owns them until they close.
 */
export class Formers {
  /** Nobody is let in while nobody has anything to say to them. */
  served = false
  readonly #roster: Roster
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #open = new Set<Connection>()
  /** When each was let in last, monotonic milliseconds. */
  readonly #cameIn = new Map<NodeId, number>()
  readonly #listeners = new Set<FormerListener>()

  constructor(roster: Roster, clock: Clock, timers: Timers) {
    this.#roster = roster
    this.#clock = clock
    this.#timers = timers
  }

  isFormer(peer: NodeId): boolean {
    return this.served && this.#roster.get(peer)?.state === 'evicted'
  }

  /** Whether it may come in now: one connection at a time, with a rest between. */
  admits(peer: NodeId): boolean {
    if (!this.isFormer(peer) || this.#open.size >= FORMER_CONNECTIONS_MAX) return false
    const since = this.#clock.monotonic() - (this.#cameIn.get(peer) ?? Number.NEGATIVE_INFINITY)
    const isIn = [...this.#open].some(
      (open) => open.direction === 'inbound' && open.remotePeer.toString() === peer,
    )
    return !isIn && since >= FORMER_REST_MS
  }

  opened(connection: Connection): void {
    connection.limits = { seconds: FORMER_CONNECTION_MS_MAX / 1000 }
    this.#open.add(connection)
    const peer = connection.remotePeer.toString()
    if (connection.direction === 'inbound') this.#note(peer)
    const callOff = this.#timers.after(FORMER_CONNECTION_MS_MAX, () =>
      connection.abort(new Fault('FORMER_TIMEOUT', 'a node that was put out stayed too long')),
    )
    connection.addEventListener('close', callOff, { once: true })
    for (const listener of this.#listeners) listener(peer)
  }

  closed(connection: Connection): void {
    this.#open.delete(connection)
  }

  has(connection: Connection): boolean {
    return this.#open.has(connection)
  }

  connections(peer: NodeId): Connection[] {
    return [...this.#open].filter(
      ({ status, remotePeer }) => status === 'open' && remotePeer.toString() === peer,
    )
  }

  /** Closes those of nodes that are no formers any more: as members they come in by another door. */
  review(): void {
    for (const connection of this.#open)
      if (!this.isFormer(connection.remotePeer.toString()))
        connection.abort(new Fault('PEER_READMITTED', 'the node is a member again: let it dial as one'))
  }

  /** Tells of each connection that was opened, by either side. */
  onOpen(listener: FormerListener): void {
    this.#listeners.add(listener)
  }

  #note(peer: NodeId): void {
    const now = this.#clock.monotonic()
    for (const [other, at] of this.#cameIn) if (now - at >= FORMER_REST_MS) this.#cameIn.delete(other)
    this.#cameIn.set(peer, now)
  }
}
