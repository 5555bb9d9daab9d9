import type { StagedBlob } from '../../src/registry/blob-store.ts'
import { CHECKPOINT_BYTES, PIECE_PROBE_BYTES } from './limits.ts'
import { type Bitfield, durableIn, hasPiece, noteOf } from './piece-map.ts'
import { isPiece, type Torrent } from './torrent.ts'

/**
 * What makes a fetch outlive its run: a map of the pieces beside their bytes. A piece is in the map only after
 * its bytes are on stable storage, so many at a time that syncing costs nothing to speak of.
 */
export class HalfDownload {
  readonly #staged: StagedBlob
  readonly #torrent: Torrent
  readonly #here: () => Bitfield
  #unsynced = 0
  #noting: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  /** @param here the pieces that are written at this moment */
  constructor(staged: StagedBlob, torrent: Torrent, here: () => Bitfield) {
    this.#staged = staged
    this.#torrent = torrent
    this.#here = here
  }

  /**
   * The pieces an earlier run has left: those in its map as they are, and of the others, which may have been
   * written after the map, those that agree with their hash.
   */
  async *recall(signal: AbortSignal): AsyncGenerator<number> {
    const { note } = this.#staged.keeping ?? {}
    if (!note) return
    const durable = durableIn(note, this.#torrent)
    const buffer = Buffer.allocUnsafe(this.#torrent.pieceLength)
    for (let piece = 0; piece < this.#torrent.pieceCount; piece++) {
      signal.throwIfAborted()
      if (hasPiece(durable, piece) || (await this.#agrees(piece, buffer))) yield piece
    }
  }

  /** From here on a restart finds what torrent the bytes are of. */
  begin(): void {
    this.#note()
  }

  wrote(bytes: number): void {
    this.#unsynced += bytes
    if (this.#unsynced >= CHECKPOINT_BYTES) this.#note()
  }

  /**
   * Resolves when nothing is being synced.
   * @throws what the disk said: bytes it failed to sync once may be lost though it syncs again
   */
  async settled(): Promise<void> {
    await this.#noting
    if (this.#failure) throw this.#failure.error
  }

  /** The next fetch of the digest, in this run or another, goes on from here. */
  async leave(): Promise<void> {
    await this.settled()
    await this.#checkpoint()
    await this.#staged.keeping?.leave()
  }

  #note(): void {
    this.#noting ??= this.#checkpoint()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#noting = undefined
      })
  }

  async #checkpoint(): Promise<void> {
    this.#unsynced = 0
    await this.#staged.keeping?.checkpoint(noteOf(this.#torrent, this.#here()))
  }

  async #agrees(piece: number, buffer: Buffer): Promise<boolean> {
    const { size, pieceLength } = this.#torrent
    const start = piece * pieceLength
    const bytes = buffer.subarray(0, Math.min(pieceLength, size - start))
    // Most of what is not in the map was never written: a hole of the file, which need not be hashed.
    const probe = bytes.subarray(0, PIECE_PROBE_BYTES)
    if (!(await this.#fill(probe, start)) || probe.every((byte) => byte === 0)) return false
    return (await this.#fill(bytes, start)) && isPiece(this.#torrent, piece, bytes)
  }

  async #fill(into: Uint8Array, position: number): Promise<boolean> {
    for (let filled = 0; filled < into.length; ) {
      const read = await this.#staged.read(into.subarray(filled), position + filled)
      if (read === 0) return false
      filled += read
    }
    return true
  }
}
