import { Fault } from '../../src/errors.ts'
import type { NodeId } from './network.ts'

/** Which key a connection was made with: the cluster's own, or that of one invite. */
export type WireKeyId = 'network' | `invite:${string}`

export interface WireKey {
  readonly id: WireKeyId
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** What the protector asks at the moment of a handshake. */
export interface WireKeys {
  /** The key to dial with. @param peer who is dialled, where that is known */
  outbound(peer?: NodeId): WireKey
  /** Every key a dialler may use, likeliest first. */
  inbound(): readonly WireKey[]
}

export const WIRE_KEY_BYTES = 32

/**
 * The keys a node lets in with. An invite's key opens nothing but the admission desk; the network key
 * alone opens nothing either, the gater also asks the Roster.
 *
 * While a key is being changed there are several. A member that was away knows only an older one: dialling
 * it falls back to that, key by key (`refused`), and it is let in by that, until the older key is removed.
 */
export class Keyring implements WireKeys {
  /** The first is dialled with, all are accepted. */
  #network: Uint8Array[]
  readonly #invites = new Map<string, Uint8Array>()
  /** How many of the newer keys each peer does not know; forgotten whenever the keys change. */
  readonly #behind = new Map<NodeId, number>()

  /** @param network the network keys, the one to dial with first */
  constructor(...network: readonly Uint8Array[]) {
    if (network.length === 0) throw new Fault('KEYRING_EMPTY', 'a node needs a network key')
    this.#network = network.map(checked)
  }

  outbound(peer?: NodeId): WireKey {
    const behind = (peer !== undefined && this.#behind.get(peer)) || 0
    return { id: 'network', key: (this.#network[behind] ?? this.#network[0]) as Uint8Array }
  }

  /**
   * The peer hung up on the key it was dialled with: next time another is used.
   * @returns false once all were refused; it begins again with the newest
   */
  refused(peer: NodeId): boolean {
    const behind = (this.#behind.get(peer) ?? 0) + 1
    if (behind < this.#network.length) this.#behind.set(peer, behind)
    else this.#behind.delete(peer)
    return behind < this.#network.length
  }

  /** The network keys of now: the first is dialled with, all are accepted. */
  replace(network: readonly Uint8Array[]): void {
    if (network.length === 0) throw new Fault('KEYRING_EMPTY', 'a node needs a network key')
    this.#network = network.map(checked)
    this.#behind.clear()
  }

  inbound(): readonly WireKey[] {
    const invites = [...this.#invites].map(([id, key]) => ({ id: `invite:${id}`, key }) as const)
    return [...this.#network.map((key) => ({ id: 'network', key }) as const), ...invites]
  }

  /** Whether a connection made with that key may stay. */
  holds(id: WireKeyId): boolean {
    return id === 'network' || this.#invites.has(id.slice('invite:'.length))
  }

  addInvite(inviteId: string, key: Uint8Array): void {
    this.#invites.set(inviteId, checked(key))
  }

  removeInvite(inviteId: string): void {
    this.#invites.delete(inviteId)
  }
}

function checked(key: Uint8Array): Uint8Array {
  if (key.length === WIRE_KEY_BYTES) return Uint8Array.from(key)
  throw new Fault('KEYRING_KEY_INVALID', `a wire key has ${WIRE_KEY_BYTES} bytes`, { bytes: key.length })
}
