import type { Libp2p } from 'libp2p'
import { FAREWELL_MS } from '../../../cluster/limits.ts'
import type { Roster } from '../../../cluster/membership/roster.ts'
import type { Channel, Network, NodeId } from '../../../cluster/network/network.ts'
import { Fault } from '../../../src/errors.ts'
import type { Life } from '../world/time.ts'
import { SimChannel } from './sim-channel.ts'
import type { Wire } from './wire.ts'

type Receive = (message: Uint8Array, from: NodeId) => void

/** One life of one node on the wire: what the real host is to libp2p. */
export class SimNetwork implements Network {
  readonly self: NodeId
  readonly #wire: Wire
  readonly #roster: Roster
  readonly #life: Life
  readonly #handlers = new Map<string, (channel: Channel) => Promise<void>>()
  readonly #listeners = new Set<(peer: NodeId, state: 'up' | 'down') => void>()
  readonly #subscriptions = new Map<string, Set<Receive>>()
  #unfollow = () => {}

  constructor(self: NodeId, wire: Wire, roster: Roster, life: Life) {
    this.self = self
    this.#wire = wire
    this.#roster = roster
    this.#life = life
  }

  get libp2p(): Libp2p {
    throw new Error('there is no libp2p in a simulation')
  }

  async start(): Promise<void> {
    this.#wire.plug(this)
    this.#unfollow = this.#roster.onChange(() => {
      this.#wire.world.schedule(FAREWELL_MS, `${this.self} expels`, () => this.#expel())
    })
  }

  async stop(): Promise<void> {
    this.#unfollow()
    this.#wire.unplug(this)
  }

  addresses(): string[] {
    return []
  }

  async handle(protocol: string, serve: (channel: Channel) => Promise<void>): Promise<void> {
    this.#handlers.set(protocol, serve)
  }

  async open(peer: NodeId, protocol: string, signal?: AbortSignal): Promise<Channel> {
    signal?.throwIfAborted()
    const connection = this.#wire.connection(this.self, peer)
    const other = this.#wire.end(peer)
    if (!connection || !other) throw new Fault('PEER_UNREACHABLE', 'there is no connection', { peer })
    const mine = new SimChannel(this.#wire, connection, this.self, peer)
    const theirs: SimChannel = new SimChannel(this.#wire, connection, peer, this.self, () =>
      other.#serve(protocol, theirs),
    )
    SimChannel.join(mine, theirs)
    return mine
  }

  connected(): NodeId[] {
    return this.#wire.connectionsOf(this.self)
  }

  onPeer(listener: (peer: NodeId, state: 'up' | 'down') => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  rttMs(): number | undefined {
    return undefined
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    this.send(topic, message, this.#audience())
  }

  subscribe(topic: string, receive: Receive): () => void {
    const receivers = this.#subscriptions.get(topic) ?? new Set()
    this.#subscriptions.set(topic, receivers.add(receive))
    return () => receivers.delete(receive)
  }

  /** Whom it would let in. */
  admits(peer: NodeId): boolean {
    return this.#roster.isMember(peer)
  }

  acquaintances(): NodeId[] {
    return this.#roster
      .members()
      .filter(({ id, state }) => state === 'member' && id !== this.self)
      .map(({ id }) => id)
  }

  told(peer: NodeId, state: 'up' | 'down'): void {
    if (!this.#life.alive) return
    for (const listener of this.#listeners) listener(peer, state)
  }

  /** Gossip to those only; an honest node's goes to its whole audience. */
  send(topic: string, message: Uint8Array, audience: ReadonlyMap<NodeId, number>): void {
    const { random, faults } = this.#wire
    for (const [peer, hops] of audience) {
      if (random.chance(1 - (1 - faults.drop) ** hops)) continue
      this.#carry(topic, message, peer, hops)
      if (random.chance(faults.duplicate)) this.#carry(topic, message, peer, hops)
    }
  }

  /** Who is reached over connections that carry, in how many hops: gossip is relayed. */
  #audience(): Map<NodeId, number> {
    const reached = new Map<NodeId, number>([[this.self, 0]])
    for (const [node, hops] of reached) {
      for (const next of this.#wire.connectionsOf(node)) {
        if (!reached.has(next) && !this.#wire.isCut(node, next)) reached.set(next, hops + 1)
      }
    }
    reached.delete(this.self)
    return reached
  }

  #carry(topic: string, message: Uint8Array, peer: NodeId, hops: number): void {
    const { random, faults, world } = this.#wire
    let bytes = message
    if (random.chance(faults.corruptGossip)) {
      bytes = message.slice()
      bytes[random.integer(bytes.length)] = random.integer(256)
    }
    const delayMs = Array.from({ length: hops }, () => this.#wire.delayMs()).reduce((a, b) => a + b, 0)
    world.schedule(delayMs, `${this.self} gossips ${bytes.length} to ${peer}`, () => {
      const end = this.#wire.end(peer)
      // Whoever relayed it, its author is known by its signature, and heard only while it is a member.
      if (end?.admits(this.self)) end.#receive(topic, bytes, this.self)
    })
  }

  #receive(topic: string, message: Uint8Array, from: NodeId): void {
    if (!this.#life.alive) return
    for (const receive of this.#subscriptions.get(topic) ?? []) receive(message, from)
  }

  #serve(protocol: string, channel: SimChannel): void {
    const serve = this.#handlers.get(protocol)
    if (!this.#life.alive) return
    if (!serve || !this.admits(channel.peer)) {
      channel.abort(new Fault('PEER_NOT_MEMBER', 'this protocol is for members only'))
      return
    }
    void serve(channel).then(
      () => channel.close(),
      (error: unknown) => channel.abort(error as Error),
    )
  }

  #expel(): void {
    if (!this.#life.alive) return
    for (const peer of this.connected()) {
      const connection = this.#wire.connection(this.self, peer)
      if (connection && !this.admits(peer)) this.#wire.close(connection)
    }
  }
}
