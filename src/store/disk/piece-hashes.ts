import { createHash } from 'node:crypto'

/** The SHA-1 of each piece of bytes that come in order. */
export class PieceHashes {
  readonly pieceLength: number
  readonly #done: Uint8Array[] = []
  #hash = createHash('sha1')
  #filled = 0

  constructor(pieceLength: number) {
    this.pieceLength = pieceLength
  }

  update(bytes: Uint8Array): void {
    for (let used = 0; used < bytes.length; ) {
      const part = bytes.subarray(used, used + this.pieceLength - this.#filled)
      this.#hash.update(part)
      used += part.length
      this.#filled += part.length
      if (this.#filled === this.pieceLength) this.#endPiece()
    }
  }

  /** The hashes, one after the other; the last piece may be shorter. */
  finish(): Uint8Array {
    if (this.#filled > 0) this.#endPiece()
    return Buffer.concat(this.#done)
  }

  #endPiece(): void {
    this.#done.push(this.#hash.digest())
    this.#hash = createHash('sha1')
    this.#filled = 0
  }
}
