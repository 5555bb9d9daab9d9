import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { Fault } from '../errors.ts'
import { fromBase32, toBase32 } from './base32.ts'
import type { Random } from './random.ts'

/**
 * The cluster's last resort: an Ed25519 key whose public half stands in the genesis. The private half is
 * shown once, as text made to be found by secret scanners and to survive paper, and kept nowhere:
 *
 *   flotillarecovery1_ base32( 32 bytes of seed, 4 bytes of SHA-256 over prefix and seed )
 */
const PREFIX = 'flotillarecovery1_'
const SEED_BYTES = 32
const CHECKSUM_BYTES = 4
/** PKCS#8 of an Ed25519 key is this, then the seed (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** @returns the text to show once, and what the genesis is to hold */
export function newRecoveryKey(random: Random): { readonly text: string; readonly publicKey: Uint8Array } {
  const seed = Buffer.from(random.bytes(SEED_BYTES))
  const { x } = createPublicKey(keyOf(seed)).export({ format: 'jwk' })
  return {
    text: PREFIX + toBase32(Buffer.concat([seed, checksum(seed)])),
    publicKey: Uint8Array.from(Buffer.from(x as string, 'base64url')),
  }
}

/** @throws Fault RECOVERY_KEY_MALFORMED when a character was lost or changed */
export function signWithRecoveryKey(text: string, message: Uint8Array): Uint8Array {
  return Uint8Array.from(sign(null, message, keyOf(seedIn(text.trim()))))
}

function seedIn(text: string): Buffer {
  if (!text.toLowerCase().startsWith(PREFIX))
    throw new Fault('RECOVERY_KEY_MALFORMED', `a recovery key begins with ${PREFIX}`)
  const whole = fromBase32(text.slice(PREFIX.length))
  const seed = Buffer.from(whole?.subarray(0, SEED_BYTES) ?? [])
  const intact =
    whole?.length === SEED_BYTES + CHECKSUM_BYTES &&
    Buffer.compare(whole.subarray(SEED_BYTES), checksum(seed)) === 0
  if (intact) return seed
  throw new Fault('RECOVERY_KEY_MALFORMED', 'a character of the recovery key was lost or changed')
}

function checksum(seed: Uint8Array): Buffer {
  return createHash('sha256').update(PREFIX).update(seed).digest().subarray(0, CHECKSUM_BYTES)
}

function keyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
}
