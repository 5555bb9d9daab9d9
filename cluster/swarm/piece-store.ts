import type { ChunkStore } from 'webtorrent'
import type { PieceBytes } from './engine.ts'
import type { ReadAhead } from './read-ahead.ts'
import type { Torrent } from './torrent.ts'

/** One blob as the pieces a torrent library gives to peers, straight from its bytes. */
export class PieceStore implements ChunkStore {
  readonly chunkLength: number
  readonly #torrent: Torrent
  readonly #bytes: PieceBytes
  readonly #readAhead: ReadAhead

  constructor(torrent: Torrent, bytes: PieceBytes, readAhead: ReadAhead) {
    this.chunkLength = torrent.pieceLength
    this.#torrent = torrent
    this.#bytes = bytes
    this.#readAhead = readAhead
  }

  /** Verified pieces are written by `Pieces`. */
  put(_index: number, _bytes: Uint8Array, done: (error: Error | null) => void): void {
    queueMicrotask(() => done(new Error('the store of a torrent is only read')))
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
