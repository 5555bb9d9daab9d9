import { Fault } from '../../src/errors.ts'

/** Which key a connection was made with: the cluster's own, or that of one invite. */
export type WireKeyId = 'network' | `invite:${string}`

export interface WireKey {
  readonly id: WireKeyId
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** What the protector asks at the moment of a handshake. */
export interface WireKeys {
  /** The key to dial with. */
  outbound(): WireKey
  /** Every key a dialler may use, likeliest first. */
  inbound(): readonly WireKey[]
}

export const WIRE_KEY_BYTES = 32

/**
 * The keys a node lets in with. An invite's key opens nothing but the admission desk; the network key
 * alone opens nothing either, the gater also asks the Roster.
 *
 * Rotation is install at every node, then use at every node, then remove: at no step do two nodes lack
 * a key in common.
 */
export class Keyring implements WireKeys {
  /** The first is dialled with, all are accepted. */
  #network: Uint8Array[]
  readonly #invites = new Map<string, Uint8Array>()

  /** @param network the network keys, the one to dial with first */
  constructor(...network: readonly Uint8Array[]) {
    if (network.length === 0) throw new Fault('KEYRING_EMPTY', 'a node needs a network key')
    this.#network = network.map(checked)
  }

  outbound(): WireKey {
    return { id: 'network', key: this.#network[0] as Uint8Array }
  }

  inbound(): readonly WireKey[] {
    const invites = [...this.#invites].map(([id, key]) => ({ id: `invite:${id}`, key }) as const)
    return [...this.#network.map((key) => ({ id: 'network', key }) as const), ...invites]
  }

  /** Whether a connection made with that key may stay. */
  holds(id: WireKeyId): boolean {
    return id === 'network' || this.#invites.has(id.slice('invite:'.length))
  }

  /** Accepts `key` from now on. */
  install(key: Uint8Array): void {
    if (!this.#network.some((held) => same(held, key))) this.#network.push(checked(key))
  }

  /** Dials with `key` from now on. */
  use(key: Uint8Array): void {
    this.#network = [checked(key), ...this.#network.filter((held) => !same(held, key))]
  }

  /** Accepts `key` no more. @throws Fault KEYRING_IN_USE for the one dialled with */
  remove(key: Uint8Array): void {
    if (same(this.#network[0] as Uint8Array, key))
      throw new Fault('KEYRING_IN_USE', 'the network key in use cannot be removed; use another first')
    this.#network = this.#network.filter((held) => !same(held, key))
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

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
