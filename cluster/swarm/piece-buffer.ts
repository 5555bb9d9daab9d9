/** The block of the torrent wire: what one request asks for. */
export const BLOCK_BYTES = 16 * 1024

/** A block while its bytes arrive: they go straight to their place in the piece. */
export interface BlockInlet {
  readonly bytes: Uint8Array
  /** False once the block has come from elsewhere: what is still arriving here must not touch the piece. */
  open: boolean
}

/**
 * One piece under way, in the place of torrent-piece: its blocks lie in one buffer from the beginning, where
 * that one keeps them apart and copies them together in the end. The underscored members are those that
 * webtorrent and this room look at.
 */
export class PieceBuffer {
  readonly length: number
  missing: number
  _flushed = false
  _reservations = 0
  readonly _chunks: number
  readonly _cancellations: number[] = []
  readonly #bytes: Uint8Array
  readonly #here: Uint8Array
  readonly #inlets = new Map<number, BlockInlet>()
  readonly #onComplete: (bytes: Uint8Array) => void

  constructor(bytes: Uint8Array, onComplete: (bytes: Uint8Array) => void) {
    this.length = bytes.length
    this.missing = bytes.length
    this._chunks = Math.ceil(bytes.length / BLOCK_BYTES)
    this.#bytes = bytes
    this.#here = new Uint8Array(this._chunks)
    this.#onComplete = onComplete
  }

  chunkOffset(block: number): number {
    return block * BLOCK_BYTES
  }

  chunkLength(block: number): number {
    return Math.min(BLOCK_BYTES, this.length - block * BLOCK_BYTES)
  }

  /** A block to ask for, or -1. */
  reserve(): number {
    if (this._flushed) return -1
    return this._cancellations.pop() ?? (this._reservations < this._chunks ? this._reservations++ : -1)
  }

  cancel(block: number): void {
    if (!this._flushed) this._cancellations.push(block)
  }

  /** Where the bytes of a whole block may go; undefined where it is here, or on its way from another peer. */
  inlet(offset: number, length: number): BlockInlet | undefined {
    const block = offset / BLOCK_BYTES
    if (!Number.isInteger(block) || block >= this._chunks || length !== this.chunkLength(block))
      return undefined
    if (this._flushed || this.#here[block] === 1 || this.#inlets.has(block)) return undefined
    const inlet = { bytes: this.#bytes.subarray(offset, offset + length), open: true }
    this.#inlets.set(block, inlet)
    return inlet
  }

  /** @returns false: webtorrent has nothing more to do with it, also when the piece is complete */
  set(block: number, bytes: Uint8Array): false {
    if (this._flushed || this.#here[block] === 1 || bytes.length !== this.chunkLength(block)) return false
    const inlet = this.#inlets.get(block)
    this.#inlets.delete(block)
    if (inlet?.bytes !== bytes) {
      if (inlet) inlet.open = false
      this.#bytes.set(bytes, block * BLOCK_BYTES)
    }
    this.#here[block] = 1
    this.missing -= bytes.length
    if (this.missing === 0) {
      this._flushed = true
      this.#onComplete(this.#bytes)
    }
    return false
  }
}
