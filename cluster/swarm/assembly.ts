import { Fault } from '../../src/errors.ts'
import { BLOB_READ_CHUNK_BYTES } from '../../src/limits.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobStore, ByteRange, OpenBlob, StagedBlob } from '../../src/registry/blob-store.ts'
import type { PieceBytes } from './engine.ts'
import { HalfDownload } from './half-download.ts'
import { addPiece, type Bitfield, emptyBitfield, hasPiece } from './piece-map.ts'
import { pieceCountOf, pieceLengthOf, type Torrent } from './torrent.ts'
import { Change } from './waiting.ts'

/** Pieces `first` to `last`, both included, none of which is here. */
export interface Gap {
  readonly first: number
  readonly last: number
}

/** The first piece a reader may still lack, and the last it wants. */
interface Reader {
  next: number
  readonly last: number
}

/**
 * One blob while it comes together: pieces in any order on one side, readers in order on the other. Bytes
 * live in a staged file until the digest is proven, then in the blob store; who reads does not notice.
 */
export class Assembly implements PieceBytes {
  readonly size: number
  readonly pieceLength: number
  readonly pieceCount: number
  readonly #blobs: BlobStore
  readonly #digest: Digest
  readonly #staged: StagedBlob
  readonly #here: Bitfield
  readonly #change = new Change()
  readonly #readers = new Set<Reader>()
  #half: HalfDownload | undefined
  #front = 0
  #count = 0
  #users = 0
  #committing: Promise<void> | undefined
  #committed = false
  #failure: Error | undefined
  #open: Promise<OpenBlob> | undefined
  #isDoubted: () => boolean = () => false

  constructor(blobs: BlobStore, digest: Digest, size: number, staged: StagedBlob) {
    this.size = size
    this.pieceLength = pieceLengthOf(size)
    this.pieceCount = pieceCountOf(size)
    this.#blobs = blobs
    this.#digest = digest
    this.#staged = staged
    this.#here = emptyBitfield(this.pieceCount)
  }

  get complete(): boolean {
    return this.#count === this.pieceCount
  }

  /** Pieces that are here. */
  get count(): number {
    return this.#count
  }

  has(piece: number): boolean {
    return hasPiece(this.#here, piece)
  }

  /** The first missing piece that a reader wants. */
  front(): number | undefined {
    let front: number | undefined
    for (const reader of this.#readers) {
      while (this.has(reader.next)) reader.next++
      if (reader.next <= reader.last && (front === undefined || reader.next < front)) front = reader.next
    }
    return front
  }

  /** While members contradict each other about the blob, nobody is given bytes that may turn out a lie. */
  holdWhile(isDoubted: () => boolean): void {
    this.#isDoubted = isDoubted
  }

  bytesOf(piece: number): number {
    return Math.min(this.pieceLength, this.size - piece * this.pieceLength)
  }

  /** The piece has been written and may be read. */
  mark(piece: number): void {
    if (this.has(piece)) return
    addPiece(this.#here, piece)
    this.#count++
    const front = this.#front
    while (this.has(this.#front)) this.#front++
    if (this.#front > front) {
      this.#staged.settle(Math.min(this.size, this.#front * this.pieceLength), this.#digest)
    }
    this.#half?.wrote(this.bytesOf(piece))
    this.#change.announce()
  }

  /** The pieces that are here at this moment. */
  here(): Bitfield {
    return Uint8Array.from(this.#here)
  }

  /**
   * Takes up what an earlier run has left of these pieces; from now on a restart finds what is here.
   * @returns how many pieces were there
   */
  async recall(torrent: Torrent, signal: AbortSignal): Promise<number> {
    const half = new HalfDownload(this.#staged, torrent, () => this.here())
    for await (const piece of half.recall(signal)) this.mark(piece)
    this.#half = half
    half.begin()
    return this.#count
  }

  firstGap(): Gap | undefined {
    if (this.complete) return undefined
    const first = this.#front
    let last = first
    while (last + 1 < this.pieceCount && !this.has(last + 1)) last++
    return { first, last }
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#staged.write(bytes, position)
  }

  async readFully(into: Uint8Array, position: number): Promise<void> {
    for (let filled = 0; filled < into.length; ) {
      const read = await this.#read(into.subarray(filled), position + filled)
      if (read === 0)
        throw new Fault('BLOB_TRUNCATED', 'the file of the blob is shorter than it was', { position })
      filled += read
    }
  }

  /** @throws Fault DIGEST_INVALID when the bytes do not give the digest; they are then gone */
  async commit(signal: AbortSignal): Promise<void> {
    await this.#half?.settled()
    this.#committing = this.#staged.commit(this.#digest, signal).then(() => {
      this.#committed = true
    })
    await this.#committing
    this.#change.announce()
  }

  /**
   * Nothing more will come. The bytes are left for another fetch, or go; readers are told why only then, so that
   * who tries again at once finds them.
   */
  async fail(reason: Error, { leave }: { readonly leave: boolean }): Promise<void> {
    this.#failure ??= reason
    // What was being synced has to end first, well or not.
    await this.#half?.settled().catch(() => {})
    if (leave && this.#count > 0) await this.#half?.leave().catch(() => {})
    await this.#staged.discard()
    this.#change.announce()
  }

  /** Keeps the bytes readable until what it returns is called. */
  use(): () => Promise<void> {
    this.#users++
    let using = true
    return async () => {
      if (!using) return
      using = false
      this.#users--
      if (this.#users > 0) return
      const open = this.#open
      this.#open = undefined
      await open?.then(
        (blob) => blob.close(),
        () => {}, // who read was told
      )
    }
  }

  /**
   * The bytes in order, as far as they are here. What would complete the range comes only after the digest
   * of the whole has been proven.
   */
  async *stream(range: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const release = this.use()
    const reader = {
      next: Math.floor(range.first / this.pieceLength),
      last: Math.floor(range.last / this.pieceLength),
    }
    this.#readers.add(reader)
    try {
      // Of nothing, too, only the digest proves that it is all.
      if (range.first > range.last) await this.#readableEnd(range.first, range.last, signal)
      for (let position = range.first; position <= range.last; ) {
        const end = await this.#readableEnd(position, range.last, signal)
        const bytes = Buffer.allocUnsafe(end - position)
        await this.readFully(bytes, position)
        signal?.throwIfAborted()
        yield bytes
        position = end
      }
    } finally {
      this.#readers.delete(reader)
      await release()
    }
  }

  /** Waits until some bytes from `position` may be given out, and tells up to where (not included). */
  async #readableEnd(position: number, last: number, signal?: AbortSignal): Promise<number> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#failure) throw this.#failure
      const limit = Math.min(last + 1, position + BLOB_READ_CHUNK_BYTES)
      if (this.#committed) return limit
      const end = Math.min(limit, this.#hereFrom(position, limit))
      if (end > position && end <= last && !this.#isDoubted()) return end
      await this.#change.next(signal)
    }
  }

  #hereFrom(position: number, limit: number): number {
    let piece = Math.floor(position / this.pieceLength)
    while (piece * this.pieceLength < limit && this.has(piece)) piece++
    return Math.max(position, Math.min(piece * this.pieceLength, this.size))
  }

  async #read(into: Uint8Array, position: number): Promise<number> {
    if (!this.#committed) {
      try {
        return await this.#staged.read(into, position)
      } catch (error) {
        if (this.#failure) throw this.#failure
        // The staged file ends with the commit: what was under way then is read from the blob.
        if (!this.#committing) throw error
        await this.#committing
      }
    }
    this.#open ??= this.#openBlob()
    return (await this.#open).read(into, position)
  }

  async #openBlob(): Promise<OpenBlob> {
    const blob = await this.#blobs.open(this.#digest)
    if (blob) return blob
    throw new Fault('BLOB_FETCH_FAILED', 'the blob was deleted right after it had arrived', {
      digest: this.#digest,
    })
  }
}
