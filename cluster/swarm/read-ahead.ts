import { LRUCache } from 'lru-cache'
import type { PieceBytes } from './engine.ts'
import { PIECE_BYTES_MIN, READ_AHEAD_BYTES_MAX } from './limits.ts'
import { type PiecePool, sharedBuffer } from './piece-pool.ts'

/** Peers ask for blocks of 16 KiB in order; each would be a trip to the thread pool and a buffer of its own. */
const WINDOW_BYTES = PIECE_BYTES_MIN

interface Window {
  readonly bytes: Uint8Array
  readonly filled: Promise<void>
  /** Readers that have not taken their bytes yet. */
  readers: number
  dropped: boolean
}

/**
 * The windows of blobs that are being served, read at once. One for all torrents, so that their number does
 * not multiply its bound. A window never reaches over the end of a piece, so what is in it is verified. Its memory is
 * shared with the thread that reads, which the garbage collector does not count: it is used again, and readers get
 * copies.
 */
export class ReadAhead {
  readonly #pool: PiecePool
  readonly #windows: LRUCache<string, Window>

  constructor(pool: PiecePool) {
    this.#pool = pool
    this.#windows = new LRUCache({
      max: READ_AHEAD_BYTES_MAX / WINDOW_BYTES,
      dispose: (window) => {
        window.dropped = true
        this.#recycle(window)
      },
    })
  }

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
    if (position + length > start + WINDOW_BYTES) {
      const buffer = sharedBuffer(length)
      await bytes.readFully(buffer, position)
      return buffer
    }
    const key = `${name}/${index}`
    const window =
      this.#windows.get(key) ?? this.#open(key, start, Math.min(WINDOW_BYTES, size - start), bytes)
    window.readers++
    try {
      await window.filled
      return Buffer.from(window.bytes.subarray(position - start, position - start + length))
    } finally {
      window.readers--
      this.#recycle(window)
    }
  }

  /** The torrent sleeps: its windows need no memory. */
  forget(name: string): void {
    for (const key of this.#windows.keys()) if (key.startsWith(`${name}/`)) this.#windows.delete(key)
  }

  #open(key: string, start: number, length: number, from: PieceBytes): Window {
    const bytes = this.#pool.take(length)
    const window = { bytes, filled: from.readFully(bytes, start), readers: 0, dropped: false }
    this.#windows.set(key, window)
    window.filled.catch(() => {
      if (this.#windows.peek(key) === window) this.#windows.delete(key)
    })
    return window
  }

  /** Nobody finds it any more, and nobody reads it. */
  #recycle({ dropped, readers, bytes }: Window): void {
    if (dropped && readers === 0) this.#pool.give(bytes)
  }
}
