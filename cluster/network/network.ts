import type { Libp2p } from 'libp2p'
import type { Startable } from '../../src/runtime/startable.ts'

/** A node's name everywhere: its libp2p peer id, base58 text of its Ed25519 public key. */
export type NodeId = string

/**
 * The cluster's private wire: authenticated, encrypted streams and topics between members only.
 * Nothing above it sees libp2p, save the ledger, which hands the host to OrbitDB.
 */
export interface Network extends Startable {
  readonly self: NodeId
  readonly libp2p: Libp2p
  /** Multiaddrs others can dial, with the peer id. */
  addresses(): string[]
  /** Serves a protocol to members; a stream from anybody else is closed before `serve` runs. */
  handle(protocol: string, serve: (channel: Channel) => Promise<void>): Promise<void>
  /** @throws Fault PEER_UNREACHABLE */
  open(peer: NodeId, protocol: string, signal?: AbortSignal): Promise<Channel>
  /** Members with a live connection. */
  connected(): NodeId[]
  /** Tells of connections to members coming and going; the function it returns ends that. */
  onPeer(listener: (peer: NodeId, state: 'up' | 'down') => void): () => void
  /** Round trip of the last ping to a connected member, milliseconds. */
  rttMs(peer: NodeId): number | undefined
  /** Gossip: freshness only, delivery is never promised. `topic` is one of `topics.ts`. */
  publish(topic: string, message: Uint8Array): Promise<void>
  subscribe(topic: string, receive: (message: Uint8Array, from: NodeId) => void): () => void
}

/** One stream as CBOR messages, each at most `CHANNEL_MESSAGE_BYTES_MAX`. */
export interface Channel {
  readonly peer: NodeId
  /** Resolves when the stream took the message: back-pressure. */
  send(message: unknown): Promise<void>
  /** The next message; undefined when the other side closed in order. */
  receive(signal?: AbortSignal): Promise<unknown>
  close(): Promise<void>
  abort(reason: Error): void
}
