import { hash } from 'node:crypto'
import {
  type GossipSub,
  type GossipSubComponents,
  gossipsub,
  type Message,
  StrictSign,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import {
  GOSSIP_CONTROLS_MAX,
  GOSSIP_FRAME_BYTES_MAX,
  GOSSIP_IDS_MAX,
  GOSSIP_MESSAGE_BYTES_MAX,
  GOSSIP_MESSAGES_MAX,
  GOSSIP_OUTBOUND_BYTES_MAX,
  GOSSIP_SUBSCRIPTIONS_MAX,
} from '../limits.ts'
import type { Roster } from '../membership/roster.ts'
import type { GossipMeter } from './gossip-meter.ts'
import type { NodeId } from './network.ts'
import { readTold, TOLD_BYTES_MAX, type Told, untold, withTold } from './told.ts'

export type Receive = (message: Uint8Array, from: NodeId) => void

/** gossipsub's fields that its interface leaves out; public in 17.1.1, checked at start. */
interface Internals {
  readonly streamsOutbound: ReadonlyMap<string, unknown>
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
  forwardMessage: (id: string, message: { data?: Uint8Array }, from?: string, exclude?: Told) => void
}

/** gossipsub for one cluster: its topics and no other, signed, every list of a frame bounded (CVE-2026-46679). */
export function gossipService(topics: readonly string[], meter: GossipMeter) {
  const create = gossipsub({
    allowedTopics: [...topics],
    globalSignaturePolicy: StrictSign,
    fallbackToFloodsub: false,
    doPX: false,
    // A copy of what is here already is told by its bytes, before anybody checks its signature again.
    fastMsgIdFn: ({ from, seqno, data }) => sumOf(from, seqno, data),
    // We publish to everybody we are connected to; the mesh is for who is not, so it may be thin.
    floodPublish: true,
    D: 3,
    Dlo: 2,
    Dhi: 6,
    Dscore: 2,
    Dout: 1,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    // Whoever hands something on knows who has it; to say so of every message costs as much as a message.
    idontwantMinDataSize: Number.MAX_SAFE_INTEGER,
    // One frame is dealt with before the next is taken.
    awaitRpcHandler: true,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    maxInboundDataLength: GOSSIP_FRAME_BYTES_MAX,
    maxOutboundBufferSize: GOSSIP_OUTBOUND_BYTES_MAX,
    maxTopicBytesPerPeer: 64 * 1024,
    decodeRpcLimits: {
      maxSubscriptions: GOSSIP_SUBSCRIPTIONS_MAX,
      maxMessages: GOSSIP_MESSAGES_MAX,
      maxIhaveMessageIDs: GOSSIP_IDS_MAX,
      maxIwantMessageIDs: GOSSIP_IDS_MAX,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: GOSSIP_CONTROLS_MAX,
      maxPeerInfos: 0,
    },
    // Admission is our Sybil defence; the default would silence an 11th node behind one address.
    scoreParams: { IPColocationFactorWeight: 0 },
  })
  return ({ privateKey, peerId, peerStore, connectionManager, logger, registrar }: GossipSubComponents) =>
    create({ privateKey, peerId, peerStore, connectionManager, logger, registrar: metered(registrar, meter) })
}

function sumOf(...parts: readonly (Uint8Array | undefined)[]): string {
  return hash('sha256', Buffer.concat(parts.map((part) => part ?? new Uint8Array())), 'base64')
}

/**
 * The registrar as gossipsub sees it. libp2p's own way, `use(protocol, middleware)`, is broken in 3.3.11:
 * every stream appends its handler to the shared list, and the next streams run all of them.
 */
function metered(registrar: GossipSubComponents['registrar'], meter: GossipMeter) {
  return new Proxy(registrar, {
    get(target, name) {
      if (name === 'handle') {
        const handle: typeof target.handle = (protocol, serve, options) =>
          target.handle(
            protocol,
            (stream, connection) => {
              meter.watch(stream, connection.remotePeer.toString())
              return serve(stream, connection)
            },
            options,
          )
        return handle
      }
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}

/** The host's side of gossip: who may speak, who listens. */
export class Gossip {
  readonly #pubsub: GossipSub
  readonly #internals: Internals
  readonly #topics: ReadonlySet<string>
  readonly #roster: Roster
  readonly #log: Logger
  readonly #receivers = new Map<string, Set<Receive>>()

  constructor(pubsub: GossipSub, topics: readonly string[], roster: Roster, log: Logger) {
    const internals = pubsub as unknown as Partial<Internals>
    if (
      !(internals.streamsOutbound instanceof Map) ||
      !(internals.topics instanceof Map) ||
      typeof internals.forwardMessage !== 'function'
    )
      throw new Fault('GOSSIP_UNSUPPORTED', 'this version of gossipsub hides its streams')
    this.#internals = internals as Internals
    const { forwardMessage } = this.#internals
    this.#internals.forwardMessage = (id, message, from) =>
      forwardMessage.call(pubsub, id, message, from, readTold(message.data ?? new Uint8Array()))
    this.#pubsub = pubsub
    this.#topics = new Set(topics)
    this.#roster = roster
    this.#log = log
    for (const topic of topics) pubsub.topicValidators.set(topic, (_peer, message) => this.#judge(message))
    pubsub.addEventListener('message', ({ detail }) => this.#deliver(detail))
  }

  /** @throws Fault TOPIC_UNKNOWN, MESSAGE_TOO_LARGE */
  async publish(topic: string, message: Uint8Array): Promise<void> {
    this.#check(topic)
    if (message.length > GOSSIP_MESSAGE_BYTES_MAX)
      throw new Fault('MESSAGE_TOO_LARGE', 'the message is too large to gossip', {
        bytes: message.length,
        bytesMax: GOSSIP_MESSAGE_BYTES_MAX,
      })
    const { streamsOutbound, topics } = this.#internals
    const told = [...(topics.get(topic) ?? [])].filter((peer) => streamsOutbound.has(peer))
    await this.#pubsub.publish(topic, withTold(told, message))
  }

  /** @throws Fault TOPIC_UNKNOWN */
  subscribe(topic: string, receive: Receive): () => void {
    this.#check(topic)
    const receivers = this.#receivers.get(topic) ?? new Set()
    // Wrapped, so that the same function may subscribe twice and end each on its own.
    const own: Receive = (message, from) => receive(message, from)
    receivers.add(own)
    this.#receivers.set(topic, receivers)
    if (receivers.size === 1) this.#pubsub.subscribe(topic)
    return () => {
      if (receivers.delete(own) && receivers.size === 0) this.#pubsub.unsubscribe(topic)
    }
  }

  /** Whether what we publish reaches the peer; gossipsub does not reopen a stream that ended. */
  reaches(peer: NodeId): boolean {
    return this.#internals.streamsOutbound.has(peer)
  }

  /** Whether gossipsub deals with the peer at all. */
  knows(peer: NodeId): boolean {
    return this.#pubsub.getPeers().some((known) => known.toString() === peer)
  }

  /** Only a member's word counts or is passed on, whoever carries it. */
  #judge(message: Message): TopicValidatorResult {
    if (message.type !== 'signed' || message.data.length > GOSSIP_MESSAGE_BYTES_MAX + TOLD_BYTES_MAX)
      return TopicValidatorResult.Reject
    if (!untold(message.data)) return TopicValidatorResult.Reject
    // Not the carrier's fault where it has not heard yet of an eviction, or we of an admission.
    return this.#roster.isMember(message.from.toString())
      ? TopicValidatorResult.Accept
      : TopicValidatorResult.Ignore
  }

  #deliver(message: Message): void {
    const bytes = untold(message.data)
    if (message.type !== 'signed' || !bytes) return
    const from = message.from.toString()
    for (const receive of this.#receivers.get(message.topic) ?? []) {
      try {
        receive(bytes, from)
      } catch (error) {
        this.#log.error({ error, topic: message.topic, from }, 'a gossip receiver failed')
      }
    }
  }

  #check(topic: string): void {
    if (!this.#topics.has(topic)) throw new Fault('TOPIC_UNKNOWN', 'not a topic of this cluster', { topic })
  }
}
