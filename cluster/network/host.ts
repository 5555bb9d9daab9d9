import type { Connection } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import {
  DIAL_MS_MAX,
  FAREWELL_MS,
  GOSSIP_BURST_BYTES,
  GOSSIP_BYTES_PER_SECOND_MAX,
  HANG_UPS_TOLD,
  INVITE_CONNECTIONS_MAX,
  PROTOCOL_STREAMS_MAX,
} from '../limits.ts'
import type { Member, Roster } from '../membership/roster.ts'
import { StreamChannel } from './channel.ts'
import { MemberDialer } from './dialer.ts'
import { Doorkeeper } from './doorkeeper.ts'
import { Formers } from './formers.ts'
import { MemberGater } from './gater.ts'
import { Gossip } from './gossip.ts'
import { GossipMeter } from './gossip-meter.ts'
import { GossipRefusals } from './gossip-refusals.ts'
import type { Identity } from './identity.ts'
import type { InviteeNetwork } from './invitee-network.ts'
import type { Keyring } from './keyring.ts'
import { KeyringProtector } from './keyring-protector.ts'
import { buildNode, type MemberNode } from './libp2p-node.ts'
import { Links } from './links.ts'
import { Mender } from './mender.ts'
import type { Channel, Network, NodeId } from './network.ts'
import { Pulse } from './pulse.ts'
import { dialable, isHungUp, isKeyRefused, listenFailure, unreachable, withPeer } from './reach.ts'
import { Serving } from './serving.ts'
import { topicsOf } from './topics.ts'

export interface HostInit {
  readonly clusterId: string
  /** Multiaddrs to listen on, as `/ip4/0.0.0.0/tcp/4001`. */
  readonly listen: readonly string[]
  /** Multiaddrs others are told, where they differ: behind NAT, in a container. */
  readonly announce?: readonly string[]
}

export interface HostComponents {
  readonly identity: Identity
  readonly keyring: Keyring
  readonly roster: Roster
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

interface Handler {
  readonly protocol: string
  readonly to: 'members' | 'invitees' | 'formers'
  readonly serve: (channel: Channel, inviteId: string) => Promise<void>
}

interface Running {
  readonly node: MemberNode
  readonly gossip: Gossip
  readonly mender: Mender
  readonly pulse: Pulse
  readonly unfollow: () => void
}

/** The node on the cluster's private wire. Protocols may be handled before `start`, so that none is missed. */
export class Host implements Network, InviteeNetwork {
  readonly self: NodeId
  readonly #init: HostInit
  readonly #parts: HostComponents
  readonly #topics: readonly string[]
  readonly #protector: KeyringProtector
  readonly #doorkeeper: Doorkeeper
  readonly #formers: Formers
  readonly #meter: GossipMeter
  readonly #serving: Serving
  readonly #dialer: MemberDialer
  readonly #links = new Links()
  readonly #handlers = new Map<string, Handler>()
  readonly #refusedBy = new Set<NodeId>()
  readonly #gossipRefusals: GossipRefusals
  #stopping = new AbortController()
  #callOffExpulsion: (() => void) | undefined
  #running: Running | undefined

  constructor(init: HostInit, parts: HostComponents) {
    const { roster, clock, random, timers, log } = parts
    this.self = parts.identity.id
    this.#init = init
    this.#parts = parts
    this.#topics = Object.values(topicsOf(init.clusterId))
    this.#protector = new KeyringProtector(parts.keyring, random)
    this.#formers = new Formers(roster, clock, timers)
    this.#doorkeeper = new Doorkeeper(this.#protector, roster, timers, this.#formers)
    this.#meter = new GossipMeter(clock, timers, GOSSIP_BYTES_PER_SECOND_MAX, GOSSIP_BURST_BYTES)
    this.#serving = new Serving(timers, log)
    this.#gossipRefusals = new GossipRefusals(log)
    const target = {
      self: this.self,
      isUp: (peer: NodeId) => this.#links.isUp(peer),
      dial: (member: Member, signal: AbortSignal) => this.#dial(member, signal),
    }
    this.#dialer = new MemberDialer(target, roster, clock, random, timers, log)
  }

  /** @throws Fault PORT_IN_USE, LISTEN_FAILED */
  async start(): Promise<void> {
    const { identity, keyring, roster, clock, timers, log } = this.#parts
    const { listen, announce = [] } = this.#init
    const invitees = () => this.#doorkeeper.invitees()
    const keyOf = this.#protector.keyOf.bind(this.#protector)
    const node = await buildNode({
      identity,
      listen,
      announce,
      topics: this.#topics,
      protector: this.#protector,
      meter: this.#meter,
      gater: new MemberGater(roster, keyring, { keyOf, invitees }, INVITE_CONNECTIONS_MAX, this.#formers),
      onOpen: (connection) => this.#onOpen(connection),
    })
    const gossip = new Gossip(node.services.pubsub, this.#topics, roster, log)
    this.#gossipRefusals.watch(node.services.pubsub)
    node.addEventListener('connection:close', ({ detail }) => this.#onClose(detail))
    node.addEventListener('peer:identify', ({ detail }) => this.#onAnswer(detail.connection))
    for (const handler of this.#handlers.values()) await this.#register(node, handler)
    try {
      await node.start()
    } catch (error) {
      throw listenFailure(error, listen)
    }
    const mender = new Mender(node, this.#links, gossip, clock, timers)
    this.#stopping = new AbortController()
    const pulse = new Pulse(this.#links, clock, this.#parts.random, timers)
    this.#running = { node, gossip, mender, pulse, unfollow: roster.onChange(() => this.#expelSoon()) }
    // Who was put out while this was starting.
    this.#expel()
    await this.#dialer.start()
    await mender.start()
    await pulse.start()
  }

  async stop(): Promise<void> {
    if (!this.#running) return
    const { node, mender, pulse, unfollow } = this.#running
    unfollow()
    this.#callOffExpulsion?.()
    this.#callOffExpulsion = undefined
    this.#stopping.abort(new Fault('NETWORK_STOPPED', 'this node is stopping'))
    await this.#dialer.stop()
    await mender.stop()
    await pulse.stop()
    await this.#serving.stop()
    await node.stop()
    this.#running = undefined
  }

  /** @throws Fault NETWORK_STOPPED before `start` and after `stop` */
  get libp2p(): Libp2p {
    return this.#run().node
  }

  addresses(): string[] {
    return this.libp2p.getMultiaddrs().map((address) => withPeer(address.toString(), this.self))
  }

  async handle(protocol: string, serve: (channel: Channel) => Promise<void>): Promise<void> {
    await this.#handle({ protocol, to: 'members', serve })
  }

  async handleInvited(
    protocol: string,
    serve: (channel: Channel, inviteId: string) => Promise<void>,
  ): Promise<void> {
    await this.#handle({ protocol, to: 'invitees', serve })
  }

  /** Serves a protocol to members and to nodes that were put out; from then on these are let in for it. */
  async handleFormer(protocol: string, serve: (channel: Channel) => Promise<void>): Promise<void> {
    await this.#handle({ protocol, to: 'formers', serve })
    this.#formers.served = true
  }

  /** Tells of each connection with a node that was put out, whoever dialled. */
  onFormer(listener: (peer: NodeId) => void): void {
    this.#formers.onOpen(listener)
  }

  /** Dials a node that was put out; `onFormer` tells of what comes of it. */
  async dialFormer({ id, addresses }: Member, signal: AbortSignal): Promise<void> {
    await this.#reach(id, addresses, AbortSignal.any([this.#stopping.signal, signal]))
  }

  /** A channel on a connection with a node that was put out. @throws Fault PEER_UNREACHABLE, PROTOCOL_UNSUPPORTED */
  async openFormer(peer: NodeId, protocol: string, signal: AbortSignal): Promise<Channel> {
    const connection = this.#formers.connections(peer).at(-1)
    if (!connection) throw new Fault('PEER_UNREACHABLE', 'the node is gone again', { peer })
    try {
      const any = AbortSignal.any([this.#stopping.signal, signal])
      const options = { signal: any, runOnLimitedConnection: true, maxOutboundStreams: PROTOCOL_STREAMS_MAX }
      return new StreamChannel(await connection.newStream([protocol], options), peer)
    } catch (error) {
      throw unreachable(error, { peer, protocol })
    }
  }

  /** Ends its connections over which nothing is being said. */
  async hangUp(peer: NodeId): Promise<void> {
    const idle = this.#formers.connections(peer).filter(({ streams }) => streams.length === 0)
    await Promise.allSettled(idle.map((connection) => connection.close()))
  }

  /** @throws Fault PEER_NOT_MEMBER, PEER_UNREACHABLE, PROTOCOL_UNSUPPORTED */
  async open(peer: NodeId, protocol: string, signal?: AbortSignal): Promise<Channel> {
    const { roster } = this.#parts
    const member = roster.get(peer)
    if (!member || !roster.isMember(peer))
      throw new Fault('PEER_NOT_MEMBER', 'the peer is not a member of this cluster', { peer })
    const limit = new AbortController()
    const callOff = this.#parts.timers.after(DIAL_MS_MAX, () =>
      limit.abort(new Fault('PEER_UNREACHABLE', 'the member did not answer in time', { peer })),
    )
    const any = AbortSignal.any([this.#stopping.signal, limit.signal, ...(signal ? [signal] : [])])
    try {
      await this.#dial(member, any)
      const connection = this.#links.connections(peer).at(-1)
      if (!connection) throw new Fault('PEER_UNREACHABLE', 'the member closed the connection', { peer })
      const options = { signal: any, maxOutboundStreams: PROTOCOL_STREAMS_MAX }
      return new StreamChannel(await connection.newStream([protocol], options), peer)
    } catch (error) {
      signal?.throwIfAborted()
      throw unreachable(error, { peer, protocol })
    } finally {
      callOff()
    }
  }

  connected(): NodeId[] {
    return this.#links.up()
  }

  /** Members that answered the last dial by hanging up on every network key this node has. */
  refusedBy(): NodeId[] {
    return [...this.#refusedBy].filter((peer) => !this.#links.isUp(peer))
  }

  /** How often each reason made a frame of gossip be thrown away since the node started. */
  gossipRefusals(): Readonly<Record<string, number>> {
    return this.#gossipRefusals.counts
  }

  /** Members that keep closing connections before a word was exchanged. */
  hungUpBy(): NodeId[] {
    return this.#links.hungUpBy(HANG_UPS_TOLD).filter((peer) => this.#parts.roster.isMember(peer))
  }

  onPeer(listener: (peer: NodeId, state: 'up' | 'down') => void): () => void {
    return this.#links.onPeer(listener)
  }

  rttMs(peer: NodeId): number | undefined {
    return this.#links.rttMs(peer)
  }

  async publish(topic: string, message: Uint8Array): Promise<void> {
    await this.#run().gossip.publish(topic, message)
  }

  subscribe(topic: string, receive: (message: Uint8Array, from: NodeId) => void): () => void {
    return this.#run().gossip.subscribe(topic, receive)
  }

  #run(): Running {
    if (this.#running) return this.#running
    throw new Fault('NETWORK_STOPPED', 'the network is not running')
  }

  async #handle(handler: Handler): Promise<void> {
    this.#handlers.set(handler.protocol, handler)
    if (this.#running) await this.#register(this.#running.node, handler)
  }

  async #register(node: MemberNode, { protocol, to, serve }: Handler): Promise<void> {
    const admits = (connection: Connection) =>
      to === 'invitees'
        ? this.#doorkeeper.inviteOf(connection) !== undefined
        : this.#links.connections(idOf(connection)).includes(connection) ||
          (to === 'formers' && this.#formers.has(connection))
    const handler = this.#serving.handler(protocol, admits, (channel, connection) =>
      serve(channel, this.#doorkeeper.inviteOf(connection) ?? ''),
    )
    await node.handle(protocol, handler, {
      maxInboundStreams: PROTOCOL_STREAMS_MAX,
      maxOutboundStreams: PROTOCOL_STREAMS_MAX,
      runOnLimitedConnection: to !== 'members',
      // A room that starts again serves in the place of its former self.
      force: true,
    })
  }

  async #dial({ id, addresses }: Member, signal: AbortSignal): Promise<void> {
    if (this.#links.connections(id).length > 0) return
    try {
      await this.#reach(id, addresses, signal)
      this.#refusedBy.delete(id)
    } catch (error) {
      if (isHungUp(error)) this.#links.hungUp(id)
      if (!isKeyRefused(error)) throw error
      if (!this.#refusedBy.has(id))
        this.#parts.log.warn({ peer: id }, 'a member does not accept the network key of this node')
      this.#refusedBy.add(id)
      throw error
    }
  }

  async #reach(id: NodeId, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const targets = dialable(addresses, id)
    if (targets.length === 0)
      throw new Fault('PEER_UNREACHABLE', 'the member announces no address', { peer: id })
    for (;;) {
      try {
        // Forced: what libp2p may still hold to that peer is a limited connection, which carries nothing.
        await this.#run().node.dial(targets, { signal, force: true })
        return
      } catch (error) {
        // It was away while the network key was changed: it may know an older one.
        if (!isKeyRefused(error) || !this.#parts.keyring.refused(id)) throw error
      }
    }
  }

  #onOpen(connection: Connection): void {
    if (this.#doorkeeper.open(connection) === 'member')
      this.#links.opened(connection, this.#parts.clock.monotonic())
  }

  #onAnswer(connection: Connection): void {
    if (!this.#links.answered(connection)) return
    const peer = idOf(connection)
    this.#parts.log.info({ peer }, 'a member is connected')
    // Who comes up is measured sooner than on the next round.
    this.#running?.pulse.beat(connection)
  }

  #onClose(connection: Connection): void {
    this.#doorkeeper.closed(connection)
    const wasUp = this.#links.isUp(idOf(connection))
    this.#links.closed(connection)
    if (!wasUp || this.#links.isUp(idOf(connection))) return
    this.#parts.log.info({ peer: idOf(connection) }, 'a member is gone')
    this.#dialer.sweep()
  }

  /** New connections are refused from this moment; open ones live long enough to carry the news itself. */
  #expelSoon(): void {
    this.#callOffExpulsion ??= this.#parts.timers.after(FAREWELL_MS, () => this.#expel())
  }

  #expel(): void {
    this.#callOffExpulsion = undefined
    const expelled = this.#doorkeeper.expel(this.#running?.node.getConnections() ?? [])
    for (const peer of expelled) this.#meter.forget(peer)
  }
}

function idOf(connection: Connection): NodeId {
  return connection.remotePeer.toString()
}
