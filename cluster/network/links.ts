import type { Connection } from '@libp2p/interface'
import type { NodeId } from './network.ts'

type PeerListener = (peer: NodeId, state: 'up' | 'down') => void

interface Link {
  readonly connections: Set<Connection>
  /** The member answered over one of them: it has let us in, too. */
  up: boolean
  rttMs: number | undefined
  /** Monotonic milliseconds. */
  readonly sinceMs: number
}

/** The live connections to members, by member. Changed by the host alone, on libp2p's events. */
export class Links {
  readonly #links = new Map<NodeId, Link>()
  readonly #listeners = new Set<PeerListener>()
  /** Connections of ours that ended without an answer, one after another. */
  readonly #hangUps = new Map<NodeId, number>()

  opened(connection: Connection, nowMs: number): void {
    const peer = connection.remotePeer.toString()
    const link = this.#links.get(peer) ?? {
      connections: new Set(),
      up: false,
      rttMs: undefined,
      sinceMs: nowMs,
    }
    link.connections.add(connection)
    this.#links.set(peer, link)
  }

  /** @returns whether the member just came up */
  answered(connection: Connection): boolean {
    const peer = connection.remotePeer.toString()
    const link = this.#links.get(peer)
    if (!link?.connections.has(connection) || link.up) return false
    link.up = true
    this.#hangUps.delete(peer)
    this.#tell(peer, 'up')
    return true
  }

  measured(peer: NodeId, rttMs: number): void {
    const link = this.#links.get(peer)
    if (link) link.rttMs = rttMs
  }

  closed(connection: Connection): void {
    const peer = connection.remotePeer.toString()
    const link = this.#links.get(peer)
    if (!link?.connections.delete(connection)) return
    if (!link.up && connection.direction === 'outbound') this.hungUp(peer)
    if (link.connections.size > 0) return
    this.#links.delete(peer)
    if (link.up) this.#tell(peer, 'down')
  }

  /** A connection to the member ended before it answered. */
  hungUp(peer: NodeId): void {
    this.#hangUps.set(peer, (this.#hangUps.get(peer) ?? 0) + 1)
  }

  /** Members that did so that often, and have not answered since. */
  hungUpBy(times: number): NodeId[] {
    return [...this.#hangUps].filter(([, count]) => count >= times).map(([peer]) => peer)
  }

  isUp(peer: NodeId): boolean {
    return this.#links.get(peer)?.up ?? false
  }

  up(): NodeId[] {
    return [...this.#links].filter(([, { up }]) => up).map(([peer]) => peer)
  }

  /** Members connected for longer than `ms` that never answered. */
  silent(ms: number, nowMs: number): NodeId[] {
    return [...this.#links].filter(([, { up, sinceMs }]) => !up && nowMs - sinceMs > ms).map(([peer]) => peer)
  }

  /** The newest connection last. */
  connections(peer: NodeId): Connection[] {
    return [...(this.#links.get(peer)?.connections ?? [])].filter(({ status }) => status === 'open')
  }

  rttMs(peer: NodeId): number | undefined {
    return this.#links.get(peer)?.rttMs
  }

  onPeer(listener: PeerListener): () => void {
    const own: PeerListener = (peer, state) => listener(peer, state)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  #tell(peer: NodeId, state: 'up' | 'down'): void {
    for (const listener of this.#listeners) listener(peer, state)
  }
}
