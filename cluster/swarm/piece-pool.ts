import { PIECE_BUFFERS_IDLE_BYTES_MAX } from './limits.ts'

/** What the storage of the main thread fills and writes while the engine's thread holds it, without a copy. */
export function sharedBuffer(length: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(length))
}

/** Buffers of pieces, used again: fresh memory costs a page fault every 4 KiB. One for all torrents. */
export class PiecePool {
  readonly #idle = new Map<number, Uint8Array[]>()
  #bytes = 0

  take(length: number): Uint8Array {
    const buffer = this.#idle.get(length)?.pop()
    if (!buffer) return sharedBuffer(length)
    this.#bytes -= length
    return buffer
  }

  /** Nobody may hold it any more. */
  give(buffer: Uint8Array): void {
    const { length } = buffer
    if (this.#bytes + length > PIECE_BUFFERS_IDLE_BYTES_MAX) return
    const idle = this.#idle.get(length)
    if (idle) idle.push(buffer)
    else this.#idle.set(length, [buffer])
    this.#bytes += length
  }
}
