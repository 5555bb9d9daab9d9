import { LRUCache } from 'lru-cache'
import type { PieceBytes } from './engine.ts'
import { PIECE_BYTES_MIN, READ_AHEAD_BYTES_MAX } from './limits.ts'
import { sharedBuffer } from './piece-pool.ts'

/** Peers ask for blocks of 16 KiB in order; each would be a trip to the thread pool and a buffer of its own. */
const WINDOW_BYTES = PIECE_BYTES_MIN

/**
 * The windows of blobs that are being served, read at once. One for all torrents, so that their number does
 * not multiply its bound. A window never reaches over the end of a piece, so what is in it is verified.
 */
export class ReadAhead {
  readonly #windows = new LRUCache<string, Promise<Buffer>>({
    max: READ_AHEAD_BYTES_MAX / WINDOW_BYTES,
  })

  /** @param name of the torrent; `size` of the whole blob */
  async read(
    name: string,
    size: number,
    bytes: PieceBytes,
    position: number,
    length: number,
  ): Promise<Uint8Array> {
    const index = Math.floor(position / WINDOW_BYTES)
    const start = index * WINDOW_BYTES
    if (position + length > start + WINDOW_BYTES) return fill(bytes, position, length)
    const key = `${name}/${index}`
    let window = this.#windows.get(key)
    if (!window) {
      window = fill(bytes, start, Math.min(WINDOW_BYTES, size - start))
      this.#windows.set(key, window)
      window.catch(() => this.#windows.delete(key))
    }
    return (await window).subarray(position - start, position - start + length)
  }

  /** The torrent sleeps: its windows need no memory. */
  forget(name: string): void {
    for (const key of this.#windows.keys()) if (key.startsWith(`${name}/`)) this.#windows.delete(key)
  }
}

async function fill(bytes: PieceBytes, position: number, length: number): Promise<Buffer> {
  const buffer = sharedBuffer(length)
  await bytes.readFully(buffer, position)
  return buffer
}
