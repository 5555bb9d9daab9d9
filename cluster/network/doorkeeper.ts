import type { Connection } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { INVITE_CONNECTION_MS_MAX } from '../limits.ts'
import type { Roster } from '../membership/roster.ts'
import type { Formers } from './formers.ts'
import type { WireKeyId } from './keyring.ts'
import type { KeyringProtector } from './keyring-protector.ts'

/**
 * Settles what each new connection is before any other part of libp2p hears of it: a member's, an
 * invitee's, that of a node that was put out, or nobody's. Owns the invitees' connections until they close.
 */
export class Doorkeeper {
  readonly #protector: KeyringProtector
  readonly #roster: Roster
  readonly #timers: Timers
  readonly #formers: Formers
  readonly #invitees = new Set<Connection>()

  constructor(protector: KeyringProtector, roster: Roster, timers: Timers, formers: Formers) {
    this.#protector = protector
    this.#roster = roster
    this.#timers = timers
    this.#formers = formers
  }

  /** @returns what the connection may be used for; `stranger` is closed already */
  open(connection: Connection): 'member' | 'invitee' | 'former' | 'stranger' {
    // Gone during its upgrade; libp2p announces it all the same, and will not tell of its end.
    if (connection.status !== 'open') return 'stranger'
    const key = this.#protector.keyOf(connection)
    if (inviteIn(key) !== undefined) {
      this.#limit(connection)
      return 'invitee'
    }
    const peer = connection.remotePeer.toString()
    if (key === 'network' && this.#roster.isMember(peer)) return 'member'
    const isOurs = connection.direction === 'outbound'
    if (key === 'network' && (isOurs ? this.#formers.isFormer(peer) : this.#formers.admits(peer))) {
      this.#formers.opened(connection)
      return 'former'
    }
    connection.abort(notMember())
    return 'stranger'
  }

  closed(connection: Connection): void {
    this.#invitees.delete(connection)
    this.#formers.closed(connection)
  }

  invitees(): number {
    return this.#invitees.size
  }

  /** The invite an open connection was made with; undefined for a member's. */
  inviteOf(connection: Connection): string | undefined {
    return this.#invitees.has(connection) ? inviteIn(this.#protector.keyOf(connection)) : undefined
  }

  /** Closes the connections of all who are not members any more. @returns their peers */
  expel(connections: readonly Connection[]): string[] {
    this.#formers.review()
    const strangers = connections.filter(
      (connection) =>
        !this.#invitees.has(connection) &&
        !this.#formers.has(connection) &&
        !this.#roster.isMember(connection.remotePeer.toString()),
    )
    for (const connection of strangers) connection.abort(notMember())
    return strangers.map(({ remotePeer }) => remotePeer.toString())
  }

  /** libp2p refuses every protocol on a limited connection that does not ask for it; the desk's does. */
  #limit(connection: Connection): void {
    connection.limits = { seconds: INVITE_CONNECTION_MS_MAX / 1000 }
    this.#invitees.add(connection)
    const callOff = this.#timers.after(INVITE_CONNECTION_MS_MAX, () =>
      connection.abort(new Fault('INVITEE_TIMEOUT', 'an invitee stayed too long')),
    )
    connection.addEventListener('close', callOff, { once: true })
  }
}

function inviteIn(key: WireKeyId | undefined): string | undefined {
  return key?.startsWith('invite:') ? key.slice('invite:'.length) : undefined
}

function notMember(): Fault {
  return new Fault('PEER_NOT_MEMBER', 'the peer is not a member of this cluster')
}
