import type { ChunkStore } from 'webtorrent'
import type { PieceBytes } from './engine.ts'
import type { ReadAhead } from './read-ahead.ts'
import type { Torrent } from './torrent.ts'

/** One blob as the pieces a torrent library asks for, straight from and to its bytes. */
export class PieceStore implements ChunkStore {
  readonly chunkLength: number
  /** Bytes of verified pieces that the disk has not taken yet. */
  waiting = 0
  readonly #torrent: Torrent
  readonly #bytes: PieceBytes
  readonly #readAhead: ReadAhead

  constructor(torrent: Torrent, bytes: PieceBytes, readAhead: ReadAhead) {
    this.chunkLength = torrent.pieceLength
    this.#torrent = torrent
    this.#bytes = bytes
    this.#readAhead = readAhead
  }

  put(index: number, bytes: Uint8Array, done: (error: Error | null) => void): void {
    this.waiting += bytes.length
    void this.#put(index, bytes, (error) => {
      this.waiting -= bytes.length
      done(error)
    })
  }

  get(
    index: number,
    options: { offset?: number; length?: number } | null,
    done: (error: Error | null, bytes?: Uint8Array) => void,
  ): void {
    const { size } = this.#torrent
    const offset = options?.offset ?? 0
    const start = index * this.chunkLength
    const end = Math.min(start + this.chunkLength, size)
    const length = options?.length ?? end - start - offset
    if (index < 0 || offset < 0 || length <= 0 || start + offset + length > end) {
      queueMicrotask(() => done(new Error('the request is outside of the piece')))
      return
    }
    void this.#get(start + offset, length, done)
  }

  close(done: (error: Error | null) => void): void {
    queueMicrotask(() => done(null))
  }

  /** The bytes belong to the blob store, which is not asked. */
  destroy(done: (error: Error | null) => void): void {
    queueMicrotask(() => done(null))
  }

  async #put(index: number, bytes: Uint8Array, done: (error: Error | null) => void): Promise<void> {
    const failure = await failureOf(this.#bytes.write(bytes, index * this.chunkLength))
    done(failure)
  }

  async #get(
    position: number,
    length: number,
    done: (error: Error | null, bytes?: Uint8Array) => void,
  ): Promise<void> {
    const { infoHash, size } = this.#torrent
    let bytes: Uint8Array
    try {
      bytes = await this.#readAhead.read(infoHash, size, this.#bytes, position, length)
    } catch (error) {
      return done(error as Error)
    }
    done(null, bytes)
  }
}

async function failureOf(work: Promise<void>): Promise<Error | null> {
  try {
    await work
    return null
  } catch (error) {
    return error as Error
  }
}
