import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Fault } from '../errors.ts'
import { writeDurable } from './durable-file.ts'

/**
 * A secret for one node alone, which others may carry and keep:
 *
 *   1 byte     1, the form
 *   32 bytes   the sender's X25519 key, made for this one secret
 *   n bytes    ChaCha20-Poly1305 over the secret, with what it is about as associated data
 *   16 bytes   its tag
 *
 * Key and nonce are HKDF-SHA-256 of the shared point, salted with both public keys.
 */
const FORM = 1
const PUBLIC_BYTES = 32
const TAG_BYTES = 16
const KEY_BYTES = 32
const NONCE_BYTES = 12
const AEAD = 'chacha20-poly1305'

/** A node's own half, that opens what was sealed to `publicKey`. */
export interface SealKey {
  /** base64url, JWK `x`. */
  readonly publicKey: string
  /** @throws Fault SEAL_INVALID when it was sealed to another key, about something else, or was changed */
  open(sealed: Uint8Array, about: string): Uint8Array
}

/**
 * @param about what the secret is, and for whom: opening asks for the same words
 * @throws Fault SEAL_KEY_INVALID when `publicKey` is no X25519 key
 */
export function seal(secret: Uint8Array, publicKey: string, about: string): Uint8Array {
  const { recipient, point, ephemeral } = agree(publicKey)
  const { key, nonce } = derive(point, ephemeral, recipient, about)
  const cipher = createCipheriv(AEAD, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(about), { plaintextLength: secret.length })
  const text = Buffer.concat([cipher.update(secret), cipher.final()])
  return Uint8Array.from(Buffer.concat([Buffer.of(FORM), ephemeral, text, cipher.getAuthTag()]))
}

/** The key at `path` (PKCS#8 PEM, 0600), made first where there is none. @throws Fault SEAL_KEY_UNREADABLE */
export async function openSealKey(path: string): Promise<SealKey> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Fault('SEAL_KEY_UNREADABLE', `the key at ${path} cannot be read`, { path }, error)
  })
  if (pem === undefined) {
    const { privateKey } = generateKeyPairSync('x25519')
    await writeDurable(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600)
    return sealKeyOf(privateKey)
  }
  try {
    return sealKeyOf(createPrivateKey(pem))
  } catch (error) {
    throw new Fault('SEAL_KEY_UNREADABLE', `the file at ${path} is no X25519 private key`, { path }, error)
  }
}

function sealKeyOf(privateKey: KeyObject): SealKey {
  const { crv, x } = privateKey.export({ format: 'jwk' })
  if (crv !== 'X25519' || !x) throw new Fault('SEAL_KEY_INVALID', 'the key is no X25519 key')
  const own = Buffer.from(x, 'base64url')
  return {
    publicKey: x,
    open(sealed, about) {
      try {
        const bytes = Buffer.from(sealed)
        if (bytes[0] !== FORM) throw new RangeError('unknown form')
        const ephemeral = bytes.subarray(1, 1 + PUBLIC_BYTES)
        const text = bytes.subarray(1 + PUBLIC_BYTES, -TAG_BYTES)
        const point = diffieHellman({ privateKey, publicKey: publicKeyOf(ephemeral.toString('base64url')) })
        const { key, nonce } = derive(point, ephemeral, own, about)
        const decipher = createDecipheriv(AEAD, key, nonce, { authTagLength: TAG_BYTES })
        decipher.setAAD(Buffer.from(about), { plaintextLength: text.length })
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
        return Uint8Array.from(Buffer.concat([decipher.update(text), decipher.final()]))
      } catch (error) {
        throw new Fault('SEAL_INVALID', 'the sealed secret is not for this node, or was changed', {}, error)
      }
    },
  }
}

function agree(publicKey: string): { recipient: Buffer; point: Buffer; ephemeral: Buffer } {
  try {
    const { privateKey, publicKey: fresh } = generateKeyPairSync('x25519')
    const point = diffieHellman({ privateKey, publicKey: publicKeyOf(publicKey) })
    const ephemeral = Buffer.from(fresh.export({ format: 'jwk' }).x as string, 'base64url')
    return { recipient: Buffer.from(publicKey, 'base64url'), point, ephemeral }
  } catch (error) {
    throw new Fault('SEAL_KEY_INVALID', 'nothing can be sealed to this key', { publicKey }, error)
  }
}

function publicKeyOf(x: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
}

function derive(point: Buffer, ephemeral: Buffer, recipient: Buffer, about: string) {
  const salt = Buffer.concat([ephemeral, recipient])
  const bytes = Buffer.from(
    hkdfSync('sha256', point, salt, `flotilla/seal/1/${about}`, KEY_BYTES + NONCE_BYTES),
  )
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) }
}
