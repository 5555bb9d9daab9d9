import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { type Challenge, signedWords } from '../../src/access/recovery.ts'

/** RFC 8410: what comes before the 32 bytes of an Ed25519 key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A key as `init` shows it once; the same in every run, for only its being another's is of interest. */
export class RecoveryKey {
  readonly public: Uint8Array
  readonly #key: KeyObject
  readonly #signed = new Set<string>()

  constructor(byte: number) {
    this.#key = createPrivateKey({
      key: Buffer.concat([PKCS8, Buffer.alloc(32, byte)]),
      format: 'der',
      type: 'pkcs8',
    })
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' })
    this.public = Uint8Array.from(Buffer.from(String(x), 'base64url'))
  }

  sign(challenge: Challenge): Uint8Array {
    const signature = sign(null, signedWords(challenge), this.#key)
    this.#signed.add(signature.toString('base64'))
    return Uint8Array.from(signature)
  }

  hasSigned(signature: Uint8Array): boolean {
    return this.#signed.has(Buffer.from(signature).toString('base64'))
  }
}
