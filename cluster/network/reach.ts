import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { Fault } from '../../src/errors.ts'
import { ADDRESSES_PER_PEER_MAX } from '../limits.ts'
import type { NodeId } from './network.ts'

/** `address` with the peer id at its end, whatever it ended with. */
export function withPeer(address: string, peer: NodeId): string {
  return `${address.replace(/\/p2p\/[^/]+$/, '')}/p2p/${peer}`
}

/** The addresses to dial a peer at; what does not parse is left out, the others may still reach it. */
export function dialable(addresses: readonly string[], peer: NodeId): Multiaddr[] {
  return addresses.slice(0, ADDRESSES_PER_PEER_MAX).flatMap((address) => {
    try {
      return multiaddr(withPeer(address, peer))
    } catch {
      return []
    }
  })
}

/** What libp2p throws when a connection or stream cannot be had, as one of ours. */
export function unreachable(error: unknown, facts: Record<string, unknown>): Fault {
  if (error instanceof Fault) return error
  if (error instanceof Error && error.name === 'UnsupportedProtocolError')
    return new Fault('PROTOCOL_UNSUPPORTED', 'the peer does not speak this protocol', facts, error)
  const reasons = causesOf(error).map((each) => (each instanceof Error ? each.message : String(each)))
  return new Fault('PEER_UNREACHABLE', 'the peer cannot be reached', { ...facts, reasons }, error)
}

/** One error per address tried; libp2p gathers them in an AggregateError. */
export function causesOf(error: unknown): unknown[] {
  return error instanceof AggregateError ? error.errors : [error]
}

/** The listener hung up on our first words: it lacks the key. A wrong peer at the address looks the same. */
export function isKeyRefused(error: unknown): boolean {
  return causesOf(error).some((cause) => cause instanceof Error && cause.name === 'EncryptionFailedError')
}

/** The other side knew the key and who we are, and hung up on that. Mostly it does so once the dial is through. */
export function isHungUp(error: unknown): boolean {
  return causesOf(error).some((cause) => cause instanceof Error && cause.name === 'MuxerUnavailableError')
}

/** What libp2p throws when it cannot listen. It tells the reason in its message alone. */
export function listenFailure(error: unknown, listen: readonly string[]): Fault {
  const where = listen
    .map((address) => address.replace(/^\/ip[46]\/([^/]+)\/tcp\/(\d+).*$/, 'port $2 on $1'))
    .join(', ')
  if (error instanceof Error && error.message.includes('EADDRINUSE'))
    return new Fault('PORT_IN_USE', `${where} is in use`, { listen }, error)
  return new Fault('LISTEN_FAILED', `cannot listen on ${where}`, { listen }, error)
}
