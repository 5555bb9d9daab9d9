import { createHash } from 'node:crypto'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { decode, encode } from 'cborg'
import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { fromBase32, toBase32 } from '../../src/runtime/base32.ts'
import { INVITE_ADDRESSES_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import { withPeer } from '../network/reach.ts'

/** What one node gives to the operator of the next: where to knock, whom to expect, and the secret. */
export interface Invite {
  readonly inviteId: string
  readonly clusterId: string
  /** The node that made it, the only one that can redeem it. */
  readonly inviter: NodeId
  /** Multiaddrs of the inviter, with its peer id. */
  readonly addresses: readonly string[]
  /** Milliseconds since 1970, by the inviter's clock. */
  readonly expiresAt: number
  readonly secret: Uint8Array
}

/**
 * The text, made to be found by secret scanners and to survive a terminal:
 *
 *   flotilla1_ base32( CBOR{v, i: id, c: cluster, p: inviter's public key, a: addresses, x: expiry, s: secret}
 *                      4 bytes of SHA-256 over the CBOR )
 */
const PREFIX = 'flotilla1_'
const VERSION = 1
const CHECKSUM_BYTES = 4
/** Eight addresses of 250 bytes and the rest; longer texts are not looked at. */
const TEXT_LENGTH_MAX = 4_096
export const INVITE_ID_BYTES = 8
export const INVITE_SECRET_BYTES = 16

const bytes = (length: number) => z.instanceof(Uint8Array).refine((value) => value.length === length)
const bodySchema = z.strictObject({
  v: z.literal(VERSION),
  i: bytes(INVITE_ID_BYTES),
  c: bytes(32),
  p: bytes(32),
  a: z.array(z.instanceof(Uint8Array)).min(1).max(INVITE_ADDRESSES_MAX),
  x: z.int().min(0),
  s: bytes(INVITE_SECRET_BYTES),
})

export function writeInvite(invite: Invite): string {
  const key = peerIdFromString(invite.inviter).publicKey
  if (!key) throw new Fault('INVITE_MALFORMED', 'an inviter is named by its Ed25519 key')
  const body = encode({
    v: VERSION,
    i: Buffer.from(invite.inviteId, 'hex'),
    c: Buffer.from(invite.clusterId, 'hex'),
    p: key.raw,
    a: invite.addresses
      .slice(0, INVITE_ADDRESSES_MAX)
      .map((address) => multiaddr(address.replace(/\/p2p\/[^/]+$/, '')).bytes),
    x: invite.expiresAt,
    s: invite.secret,
  })
  return PREFIX + toBase32(Buffer.concat([body, checksum(body)]))
}

/**
 * @param expected what the caller already knows: the time, the cluster it must be where it belongs to one, and
 *   the invite it has used and waits by, whose end does not matter
 * @throws Fault INVITE_MALFORMED, INVITE_EXPIRED, INVITE_OTHER_CLUSTER
 */
export function readInvite(
  text: string,
  expected: { now: number; clusterId?: string | undefined; waitingBy?: string | undefined },
): Invite {
  const invite = parse(text.trim())
  const { inviteId, clusterId, expiresAt } = invite
  if (expected.clusterId !== undefined && clusterId !== expected.clusterId)
    throw new Fault(
      'INVITE_OTHER_CLUSTER',
      'the invite is for another cluster than the one this data directory belongs to: take another --data-dir',
      { invited: clusterId, belongs: expected.clusterId },
    )
  if (expiresAt <= expected.now && inviteId !== expected.waitingBy)
    throw new Fault('INVITE_EXPIRED', 'the invite has expired', { inviteId, expiresAt })
  return invite
}

function parse(text: string): Invite {
  if (!text.toLowerCase().startsWith(PREFIX))
    throw malformed(`an invite begins with ${PREFIX}`, { begins: text.slice(0, PREFIX.length) })
  if (text.length > TEXT_LENGTH_MAX) throw malformed('the invite is too long', { length: text.length })
  const whole = fromBase32(text.slice(PREFIX.length))
  if (!whole || whole.length <= CHECKSUM_BYTES)
    throw malformed('the invite holds characters that do not belong, or ends early', {})
  const body = whole.subarray(0, -CHECKSUM_BYTES)
  if (Buffer.compare(checksum(body), whole.subarray(-CHECKSUM_BYTES)) !== 0)
    throw malformed('a character of the invite was lost or changed; copy it once more', {})
  try {
    const { i, c, p, a, x, s } = bodySchema.parse(decode(body, { rejectDuplicateMapKeys: true }))
    const inviter = peerIdFromPublicKey(publicKeyFromRaw(p)).toString()
    return {
      inviteId: Buffer.from(i).toString('hex'),
      clusterId: Buffer.from(c).toString('hex'),
      inviter,
      addresses: a.map((address) => withPeer(multiaddr(address).toString(), inviter)),
      expiresAt: x,
      secret: s,
    }
  } catch (error) {
    throw malformed('this version of Flotilla does not understand the invite', {}, error)
  }
}

function checksum(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(body).digest().subarray(0, CHECKSUM_BYTES)
}

function malformed(message: string, facts: Record<string, unknown>, cause?: unknown): Fault {
  return new Fault('INVITE_MALFORMED', message, facts, cause)
}
