import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { INVITE_MS_DEFAULT, INVITE_MS_MAX, TIMER_MS_MAX } from '../limits.ts'
import type { InviteeNetwork } from '../network/invitee-network.ts'
import type { Keyring } from '../network/keyring.ts'
import type { Channel, NodeId } from '../network/network.ts'
import {
  ADMISSION_PROTOCOL,
  type AdmissionAnswer,
  type AdmissionLedger,
  type AdmissionPackage,
  requestSchema,
} from './admission.ts'
import { INVITE_ID_BYTES, INVITE_SECRET_BYTES, writeInvite } from './invite.ts'
import { forgottenAt, InviteBook } from './invite-book.ts'
import { isProof, verifierOf } from './invite-keys.ts'
import type { Roster } from './roster.ts'

export interface DeskInit {
  readonly clusterId: string
  readonly clusterName: string
  /** Where the open invites' secrets are kept, `invites.json`. */
  readonly path: string
}

export interface DeskComponents {
  readonly network: InviteeNetwork
  readonly keyring: Keyring
  readonly ledger: AdmissionLedger
  readonly roster: Roster
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

/** What the records keep of a new invite, beside what its maker asked for. */
export interface IssuedInvite {
  readonly id: string
  readonly verifier: string
  readonly expiresAt: number
}

/** Makes invites, and redeems those it made: no other node can, so "once" needs no agreement. */
export class AdmissionDesk implements Startable {
  readonly #init: DeskInit
  readonly #parts: DeskComponents
  readonly #book: InviteBook
  #callOff = () => {}
  #purged: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(init: DeskInit, parts: DeskComponents) {
    this.#init = init
    this.#parts = parts
    this.#book = new InviteBook(init.path)
  }

  /** May run before the network does. @throws Fault INVITES_UNREADABLE */
  async start(): Promise<void> {
    this.#stopped = false
    await this.#book.load()
    for (const { inviteId, wireKey } of this.#book.all()) this.#parts.keyring.addInvite(inviteId, wireKey)
    await this.#purge()
    await this.#parts.network.handleInvited(ADMISSION_PROTOCOL, (channel, inviteId) =>
      this.#serve(channel, inviteId),
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#callOff()
    await this.#purged
  }

  /**
   * Makes an invite: its secret is durable here when this resolves. The caller commits the record to the
   * journal and shows the text, once; until the record is there the ledger refuses to admit by it.
   * @throws Fault INVITE_TTL_INVALID, INVITES_TOO_MANY, INVITE_NO_ADDRESS
   */
  async issue(ttlMs: number = INVITE_MS_DEFAULT): Promise<{ record: IssuedInvite; text: string }> {
    const { network, keyring, random, clock } = this.#parts
    if (!(ttlMs > 0 && ttlMs <= INVITE_MS_MAX))
      throw new Fault('INVITE_TTL_INVALID', 'an invite is valid for a day at most', {
        ttlMs,
        ttlMsMax: INVITE_MS_MAX,
      })
    const addresses = byReach(network.addresses())
    if (addresses.length === 0)
      throw new Fault('INVITE_NO_ADDRESS', 'this node listens on no address a newcomer could dial')
    const inviteId = Buffer.from(random.bytes(INVITE_ID_BYTES)).toString('hex')
    const secret = random.bytes(INVITE_SECRET_BYTES)
    const expiresAt = clock.now() + ttlMs
    await this.#book.add(inviteId, secret, expiresAt)
    const booked = this.#book.get(inviteId)
    if (booked) keyring.addInvite(inviteId, booked.wireKey)
    this.#schedule()
    const { clusterId } = this.#init
    const inviter = network.self
    return {
      record: { id: inviteId, verifier: verifierOf(secret, inviteId), expiresAt },
      text: writeInvite({ inviteId, clusterId, inviter, addresses, expiresAt, secret }),
    }
  }

  async #serve(channel: Channel, inviteId: string): Promise<void> {
    const question = await channel.receive()
    const answer = await this.#answer(question, inviteId, channel.peer)
    await channel.send(answer)
  }

  async #answer(question: unknown, inviteId: string, joiner: NodeId): Promise<AdmissionAnswer> {
    const { log } = this.#parts
    try {
      const admission = await this.#admit(question, inviteId, joiner)
      if (admission === 'pending') {
        log.info({ inviteId, joiner }, 'a node waits for a second consent')
        return { ok: 'pending', clusterName: this.#init.clusterName }
      }
      log.info({ inviteId, joiner }, 'a node was admitted')
      return { ok: true, admission }
    } catch (error) {
      log.warn({ inviteId, joiner, error }, 'a node was not admitted')
      if (error instanceof Fault) return { ok: false, code: error.code, message: error.message.slice(0, 500) }
      return {
        ok: false,
        code: 'ADMISSION_FAILED',
        message: 'the inviting node could not admit this node; its log says why',
      }
    }
  }

  async #admit(question: unknown, inviteId: string, joiner: NodeId): Promise<AdmissionPackage | 'pending'> {
    const { ledger, roster, clock, log } = this.#parts
    const request = requestSchema.safeParse(question)
    if (!request.success || request.data.inviteId !== inviteId)
      throw new Fault('ADMISSION_MALFORMED', 'the inviting node does not understand the request to join')
    const { clusterId, proof, facts } = request.data
    if (clusterId !== this.#init.clusterId)
      throw new Fault('INVITE_OTHER_CLUSTER', 'the invite names another cluster than the one it was made for')
    const state = roster.get(joiner)?.state
    if (state === 'evicted')
      throw new Fault('NODE_EVICTED', 'this node was evicted; it can only come back with a new identity')
    if (state === 'left')
      throw new Fault('NODE_LEFT', 'this node has left; it can only come back with a new identity')
    this.#recognise(inviteId, proof, joiner, clock.now())
    const admission = await ledger.admit(inviteId, joiner, facts)
    await this.#book.redeemed(inviteId, joiner).catch((error: unknown) => {
      // The journal already refuses a second use; only the secret lies about until it expires.
      log.error({ inviteId, error }, 'the redeemed invite could not be struck from its file')
    })
    return admission
  }

  /** Passes the holder of an open invite's secret, and the node that has redeemed it: its answer was lost. */
  #recognise(inviteId: string, proof: Uint8Array, joiner: NodeId, now: number): void {
    const { network, ledger } = this.#parts
    const booked = this.#book.get(inviteId)
    if (!booked) throw new Fault('INVITE_UNKNOWN', 'this node knows no such invite')
    if (booked.redeemedBy === joiner) return
    if (booked.redeemedBy !== undefined)
      throw new Fault('INVITE_USED', 'the invite has been used by another node; ask for a new one')
    if (!booked.secret || booked.expiresAt <= now) throw new Fault('INVITE_EXPIRED', 'the invite has expired')
    const claim = { clusterId: this.#init.clusterId, inviter: network.self, joiner }
    if (!isProof(proof, booked.secret, inviteId, claim))
      throw new Fault('INVITE_UNKNOWN', 'the secret of the invite is wrong; copy it once more')
    const record = ledger.openInvites().find(({ id }) => id === inviteId)
    if (record?.withdrawn) throw new Fault('INVITE_WITHDRAWN', 'the invite was withdrawn')
    if (record && record.verifier !== verifierOf(booked.secret, inviteId))
      throw new Fault('INVITE_UNKNOWN', 'the invite is not the one the cluster knows by this id')
  }

  #schedule(): void {
    this.#callOff()
    if (this.#stopped) return
    const now = this.#parts.clock.now()
    const next = this.#book
      .all()
      .map((invite) => (invite.secret ? invite.expiresAt : forgottenAt(invite)) - now)
    if (next.length === 0) return
    this.#callOff = this.#parts.timers.after(Math.min(TIMER_MS_MAX, Math.max(0, Math.min(...next))), () => {
      this.#purged = this.#purge()
    })
  }

  async #purge(): Promise<void> {
    try {
      for (const { inviteId } of await this.#book.purge(this.#parts.clock.now()))
        this.#parts.keyring.removeInvite(inviteId)
    } catch (error) {
      this.#parts.log.error({ error }, 'expired invites could not be struck from their file')
    }
    this.#schedule()
  }
}

/** Addresses others may reach before those only this machine can. */
function byReach(addresses: readonly string[]): string[] {
  const local = (address: string) => Number(/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return [...addresses].sort((a, b) => local(a) - local(b))
}
