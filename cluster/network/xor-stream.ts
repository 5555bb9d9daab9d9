import { xsalsa20 } from '@noble/ciphers/salsa.js'

const BLOCK_BYTES = 64

/**
 * XSalsa20 as a running stream: one call continues where the last one ended, whatever the sizes.
 * It hides, it does not authenticate: Noise inside it does. Ends with an error after 256 GiB, where the
 * block counter would begin again; the connection is then made anew.
 */
export class XorStream {
  readonly #key: Uint8Array
  readonly #nonce: Uint8Array
  #position = 0

  constructor(key: Uint8Array, nonce: Uint8Array) {
    this.#key = key
    this.#nonce = nonce
  }

  /** The same function enciphers and deciphers. */
  update(data: Uint8Array): Uint8Array {
    const skip = this.#position % BLOCK_BYTES
    const counter = (this.#position - skip) / BLOCK_BYTES
    // A fresh buffer also gives the cipher its aligned, fast path.
    const padded = new Uint8Array(skip + data.length)
    padded.set(data, skip)
    this.#position += data.length
    return xsalsa20(this.#key, this.#nonce, padded, undefined, counter).subarray(skip)
  }
}
