import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Roster } from '../membership/roster.ts'
import type { Formers } from './formers.ts'
import type { Keyring, WireKeyId } from './keyring.ts'

/** What the gater knows of a connection beside its peer: the key, and who else is here on an invite. */
export interface Wire {
  keyOf(connection: MultiaddrConnection): WireKeyId | undefined
  /** Connections open at this moment that were made with any invite's key. */
  invitees(): number
}

/**
 * Who may be connected: members by the network key, holders of a live invite by its key (these reach the
 * admission desk only, the host sees to that), now and then a node that was put out (it hears that, and nothing
 * else), nobody else in either direction.
 * Asked at dialling, and again once Noise has proved who the peer is; a roster change in between is
 * caught by the host when the connection opens.
 */
export class MemberGater implements ConnectionGater {
  readonly #roster: Roster
  readonly #keyring: Keyring
  readonly #wire: Wire
  readonly #inviteesMax: number
  readonly #formers: Pick<Formers, 'isFormer' | 'admits'>

  constructor(
    roster: Roster,
    keyring: Keyring,
    wire: Wire,
    inviteesMax: number,
    formers: Pick<Formers, 'isFormer' | 'admits'>,
  ) {
    this.#roster = roster
    this.#keyring = keyring
    this.#wire = wire
    this.#inviteesMax = inviteesMax
    this.#formers = formers
  }

  denyDialPeer(peer: PeerId): boolean {
    return !this.#isDialled(peer.toString())
  }

  denyOutboundEncryptedConnection(peer: PeerId): boolean {
    return !this.#isDialled(peer.toString())
  }

  denyInboundEncryptedConnection(peer: PeerId, connection: MultiaddrConnection): boolean {
    return !this.#admits(peer, connection)
  }

  denyInboundUpgradedConnection(peer: PeerId, connection: MultiaddrConnection): boolean {
    return !this.#admits(peer, connection)
  }

  /** Addresses come from the Roster at each dial; what a peer says of itself or of others is not kept. */
  filterMultiaddrForPeer(): boolean {
    return false
  }

  #admits(peer: PeerId, connection: MultiaddrConnection): boolean {
    const key = this.#wire.keyOf(connection)
    if (key === undefined) return false
    if (key === 'network')
      return this.#roster.isMember(peer.toString()) || this.#formers.admits(peer.toString())
    return this.#keyring.holds(key) && this.#wire.invitees() < this.#inviteesMax
  }

  #isDialled(peer: string): boolean {
    return this.#roster.isMember(peer) || this.#formers.isFormer(peer)
  }
}
