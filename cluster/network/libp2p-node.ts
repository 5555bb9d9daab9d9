import { identify } from '@libp2p/identify'
import { type Connection, serviceCapabilities } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import {
  ADDRESSES_PER_PEER_MAX,
  CONNECTION_STREAMS_MAX,
  CONNECTIONS_MAX,
  DIAL_ADDRESS_MS_MAX,
  DIAL_MS_MAX,
  DIALS_CONCURRENT_MAX,
  HANDSHAKE_MS_MAX,
  INBOUND_PENDING_MAX,
  INBOUND_PER_HOST_PER_SECOND_MAX,
  PING_STREAM_MS_MAX,
  STREAM_BUFFER_BYTES_MAX,
  STREAM_WINDOW_BYTES_MAX,
} from '../limits.ts'
import { guardFrames } from './frame-guard.ts'
import type { MemberGater } from './gater.ts'
import { gossipService } from './gossip.ts'
import type { GossipMeter } from './gossip-meter.ts'
import type { Identity } from './identity.ts'
import type { KeyringProtector } from './keyring-protector.ts'
import { gatherUpdates } from './window-updates.ts'

/** Keeps our identify and ping apart from those of public libp2p networks. */
const PROTOCOL_PREFIX = 'flotilla'
export const PING_PROTOCOL = `/${PROTOCOL_PREFIX}/ping/1.0.0`

export interface NodeParts {
  readonly identity: Identity
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  readonly topics: readonly string[]
  readonly protector: KeyringProtector
  readonly gater: MemberGater
  readonly meter: GossipMeter
  /** Runs before any other part of libp2p hears of a new connection. */
  readonly onOpen: (connection: Connection) => void
}

/** What every libp2p of ours speaks, member's or joiner's: TCP, our protector, Noise, bounded Yamux. */
export function wire(protector: KeyringProtector) {
  const muxer = yamux({
    maxInboundStreams: CONNECTION_STREAMS_MAX,
    maxOutboundStreams: CONNECTION_STREAMS_MAX,
    // The dialler may have opened many before our side of the upgrade is through; the default of 10 cuts it off.
    maxEarlyStreams: CONNECTION_STREAMS_MAX,
    streamOptions: {
      maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX,
      maxReadBufferLength: STREAM_BUFFER_BYTES_MAX,
    },
  })
  return {
    transports: [tcp({ maxConnections: CONNECTIONS_MAX + INBOUND_PENDING_MAX })],
    connectionProtector: () => protector,
    connectionEncrypters: [noise()],
    streamMuxers: [() => gatherUpdates(guardFrames(muxer(), STREAM_WINDOW_BYTES_MAX))],
  }
}

/** Bounds that hold for both, too. dnsaddr is off: no address may turn into others. */
export const connectionBounds = {
  maxConnections: CONNECTIONS_MAX,
  maxParallelDials: DIALS_CONCURRENT_MAX,
  maxPeerAddrsToDial: ADDRESSES_PER_PEER_MAX,
  dialTimeout: DIAL_MS_MAX,
  addressDialTimeout: DIAL_ADDRESS_MS_MAX,
  inboundUpgradeTimeout: HANDSHAKE_MS_MAX,
  outboundStreamProtocolNegotiationTimeout: HANDSHAKE_MS_MAX,
  inboundStreamProtocolNegotiationTimeout: HANDSHAKE_MS_MAX,
  inboundConnectionThreshold: INBOUND_PER_HOST_PER_SECOND_MAX,
  maxIncomingPendingConnections: INBOUND_PENDING_MAX,
  resolvers: {},
}

/**
 * A member's libp2p, not started: no bootstrap, DHT, relay, mDNS, autonat or UPnP. Identify and ping
 * refuse limited connections, which is what an invitee's is; gossipsub does so of itself.
 */
export async function buildNode(parts: NodeParts) {
  return createLibp2p({
    ...wire(parts.protector),
    start: false,
    privateKey: parts.identity.privateKey,
    nodeInfo: { name: 'flotilla', version: '1', userAgent: 'flotilla' },
    addresses: { listen: [...parts.listen], announce: [...parts.announce] },
    connectionManager: connectionBounds,
    // Pulse does that.
    connectionMonitor: { enabled: false },
    connectionGater: parts.gater,
    services: {
      // First in this list, so that its listener is the first.
      doorkeeper: ({ events }) => {
        events.addEventListener('connection:open', ({ detail }) => parts.onOpen(detail))
        return { [serviceCapabilities]: ['@flotilla/doorkeeper'] }
      },
      identify: identify({ protocolPrefix: PROTOCOL_PREFIX, runOnLimitedConnection: false }),
      ping: ping({
        protocolPrefix: PROTOCOL_PREFIX,
        runOnLimitedConnection: false,
        timeout: PING_STREAM_MS_MAX,
      }),
      pubsub: gossipService(parts.topics, parts.meter),
    },
  })
}

export type MemberNode = Awaited<ReturnType<typeof buildNode>>
