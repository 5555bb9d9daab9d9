import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { NodeId } from '../network/network.ts'

/**
 * All that is made of an invite's secret, each by HKDF-SHA-256 with the invite's id as salt and a purpose
 * of its own, so that knowing one tells nothing of another:
 *
 *   wire       the key of the connection: outsiders cannot even speak to the desk
 *   proof      keys the joiner's HMAC over who joins what through whom
 *   verifier   what the journal keeps: recognises the secret, opens nothing
 */
type Purpose = 'wire' | 'proof' | 'verifier'

const KEY_BYTES = 32

function derive(secret: Uint8Array, inviteId: string, purpose: Purpose): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, inviteId, `flotilla/invite/1/${purpose}`, KEY_BYTES))
}

/** The 32-byte wire key of an invite. */
export function inviteKey(secret: Uint8Array, inviteId: string): Uint8Array {
  return derive(secret, inviteId, 'wire')
}

/** Stored in the journal in the secret's stead, hexadecimal. */
export function verifierOf(secret: Uint8Array, inviteId: string): string {
  return derive(secret, inviteId, 'verifier').toString('hex')
}

export interface Claim {
  readonly clusterId: string
  readonly inviter: NodeId
  /** As Noise proved it on this very connection: a proof overheard or passed on is worth nothing. */
  readonly joiner: NodeId
}

/** Shows knowledge of the secret without sending it. */
export function proofOf(secret: Uint8Array, inviteId: string, claim: Claim): Uint8Array {
  const text = [claim.clusterId, claim.inviter, claim.joiner].join('|')
  return createHmac('sha256', derive(secret, inviteId, 'proof'))
    .update(text)
    .digest()
}

export function isProof(proof: Uint8Array, secret: Uint8Array, inviteId: string, claim: Claim): boolean {
  const expected = proofOf(secret, inviteId, claim)
  return proof.length === expected.length && timingSafeEqual(proof, expected)
}
