import type { PeerId } from '@libp2p/interface'
import { createLibp2p, type Libp2p } from 'libp2p'
import { Fault, isFault } from '../../src/errors.ts'
import { clusterIdOf } from '../../src/journal/genesis.ts'
import type { NodeFacts } from '../../src/journal/rows.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { APPROVAL_ASK_MS, APPROVAL_WAIT_MS_MAX, REDEEM_MS_MAX, REDIAL_MS_MIN } from '../limits.ts'
import { StreamChannel } from '../network/channel.ts'
import type { Identity } from '../network/identity.ts'
import type { WireKey } from '../network/keyring.ts'
import { KeyringProtector } from '../network/keyring-protector.ts'
import { connectionBounds, wire } from '../network/libp2p-node.ts'
import { causesOf, dialable, isKeyRefused, unreachable } from '../network/reach.ts'
import {
  ADMISSION_PROTOCOL,
  type AdmissionPackage,
  type AdmissionRequest,
  answerSchema,
} from './admission.ts'
import { type Invite, readInvite } from './invite.ts'
import { inviteKey, proofOf } from './invite-keys.ts'

export interface RedeemInit {
  /** The invite's text. */
  readonly text: string
  /** Who joins; its key is the node's from then on. */
  readonly identity: Identity
  readonly facts: NodeFacts
  /** The cluster this node already belongs to, where it does. */
  readonly clusterId?: string
  /** The invite it already waits by: that it has expired meanwhile is no matter. */
  readonly waitingBy?: string | undefined
  /** Told once that a second consent is waited for. */
  readonly onPending?: (inviteId: string) => Promise<void>
  readonly signal?: AbortSignal
}

/**
 * Joins by an invite. Writes nothing: what it returns is complete and checked, and asking again with the
 * same identity after a lost answer gives the same.
 * @throws Fault INVITE_MALFORMED, INVITE_EXPIRED, INVITE_OTHER_CLUSTER, INVITE_UNKNOWN, INVITE_USED,
 *   NODE_EVICTED, NODE_LEFT, APPROVAL_PENDING, PEER_UNREACHABLE with the addresses tried, or what the ledger
 *   refused it for
 */
export async function redeemInvite(
  init: RedeemInit,
  runtime: { clock: Clock; random: Random; timers: Timers },
): Promise<AdmissionPackage> {
  const { text, clusterId, waitingBy, onPending, signal } = init
  const { clock, timers } = runtime
  const invite = readInvite(text, { now: clock.now(), clusterId, waitingBy })
  const since = clock.monotonic()
  let told = false
  for (;;) {
    const answer = await redeemOnce(invite, init, runtime)
    if (answer !== 'pending') return answer
    if (!told) await onPending?.(invite.inviteId)
    told = true
    if (clock.monotonic() - since >= APPROVAL_WAIT_MS_MAX) {
      throw new Fault(
        'APPROVAL_PENDING',
        'nobody has approved this node yet; the same command goes on waiting, also after the invite has expired',
        { node: init.identity.id, advice: `on a member: flotilla node approve ${init.facts.name}` },
      )
    }
    await timers.sleep(APPROVAL_ASK_MS, signal)
  }
}

async function redeemOnce(
  invite: Invite,
  { identity, facts, signal }: RedeemInit,
  { random, timers }: { random: Random; timers: Timers },
): Promise<AdmissionPackage | 'pending'> {
  const node = await knocker(invite, identity, random)
  const limit = new AbortController()
  const callOff = timers.after(REDEEM_MS_MAX, () => limit.abort())
  const any = AbortSignal.any([limit.signal, ...(signal ? [signal] : [])])
  const { inviteId, inviter, secret } = invite
  const claim = { clusterId: invite.clusterId, inviter, joiner: identity.id }
  const proof = proofOf(secret, inviteId, claim)
  const request: AdmissionRequest = { version: 1, inviteId, clusterId: invite.clusterId, proof, facts }
  try {
    return await insist((attempt) => ask(node, invite, request, attempt), any, random, timers)
  } catch (error) {
    signal?.throwIfAborted()
    throw asFault(error, invite)
  } finally {
    callOff()
    await node.stop()
  }
}

/** A libp2p that can do one thing: dial the inviter with the invite's key. */
async function knocker(invite: Invite, identity: Identity, random: Random): Promise<Libp2p> {
  const key: WireKey = {
    id: `invite:${invite.inviteId}`,
    key: inviteKey(invite.secret, invite.inviteId),
  }
  const protector = new KeyringProtector({ outbound: () => key, inbound: () => [] }, random)
  const isOther = (peer: PeerId) => peer.toString() !== invite.inviter
  return createLibp2p({
    ...wire(protector),
    privateKey: identity.privateKey,
    nodeInfo: { name: 'flotilla', version: '1', userAgent: 'flotilla' },
    addresses: { listen: [] },
    connectionManager: connectionBounds,
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: isOther,
      denyOutboundEncryptedConnection: isOther,
      denyInboundConnection: () => true,
      filterMultiaddrForPeer: () => false,
    },
  })
}

/** One connection, one question, one answer. */
async function ask(
  node: Libp2p,
  { inviter, addresses, clusterId }: Invite,
  request: AdmissionRequest,
  signal: AbortSignal,
): Promise<AdmissionPackage | 'pending'> {
  const connection = await node.dial(dialable(addresses, inviter), { signal })
  try {
    const stream = await connection.newStream([ADMISSION_PROTOCOL], { signal })
    const channel = new StreamChannel(stream, inviter)
    await channel.send(request)
    const answer = answerSchema.safeParse(await channel.receive(signal))
    if (!answer.success)
      throw new Fault('ADMISSION_MALFORMED', 'this node does not understand the answer of the inviting node')
    if (!answer.data.ok) throw new Fault(answer.data.code, answer.data.message, { inviter })
    if (answer.data.ok === 'pending') {
      await channel.close()
      return 'pending'
    }
    const { admission } = answer.data
    if (admission.clusterId !== clusterId || clusterIdOf(admission.genesis) !== clusterId)
      throw new Fault('INVITE_OTHER_CLUSTER', 'the inviting node is not of the cluster the invite names', {
        invited: clusterId,
        found: clusterIdOf(admission.genesis),
      })
    await channel.close()
    return admission
  } finally {
    connection.abort(new Error('asked and answered'))
  }
}

/** Asks again when the desk was busy or the connection broke, which both leave nothing behind. */
async function insist<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  random: Random,
  timers: Timers,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt(signal)
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error
      const waitMs = REDIAL_MS_MIN * 2 ** Math.min(failures, 3)
      await timers.sleep(waitMs + random.integer(waitMs), signal)
    }
  }
}

/** Busy (refused before the handshake began) or broken midway; a refusal in words is final. */
function isPassing(error: unknown): boolean {
  return causesOf(error).some(
    (cause) =>
      isFault(cause, 'WIRE_REFUSED', 'CHANNEL_BROKEN') ||
      (cause instanceof Error && (cause.name === 'ConnectionClosedError' || codeOf(cause) === 'ECONNRESET')),
  )
}

function codeOf(error: NodeJS.ErrnoException): string | undefined {
  return error.code
}

function asFault(error: unknown, { inviter, addresses, inviteId }: Invite): Fault {
  if (isKeyRefused(error))
    return new Fault(
      'INVITE_UNKNOWN',
      'the node there does not know this invite: it was used or expired long ago, or another node answers',
      { inviteId, inviter, addresses },
      error,
    )
  const fault = unreachable(error, { inviter, addresses })
  if (fault.code !== 'PEER_UNREACHABLE') return fault
  const tried = addresses.join(', ')
  return new Fault(
    'PEER_UNREACHABLE',
    `the inviting node does not answer; tried ${tried}`,
    fault.facts,
    error,
  )
}
