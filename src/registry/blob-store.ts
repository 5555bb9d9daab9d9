import type { Digest } from '../oci/digest.ts'

/** Bytes `first` to `last`, both included, counted from 0. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * Blobs by digest on this node's own storage. A blob is in it whole, verified and durable, or not at all.
 * Bytes get in through a StagedBlob or an UploadStore; nothing half-written can be opened.
 */
export interface BlobStore {
  stat(digest: Digest): Promise<{ readonly size: number } | undefined>
  /** Random access to a committed blob; the caller closes it. */
  open(digest: Digest): Promise<OpenBlob | undefined>
  /**
   * A private file for bytes that arrive in any order (the swarm). Gone after a restart.
   * @param digest what they are to be: they may then be left for the next who stages the same digest, and what
   *   another has left is there already. A store need not be able to.
   */
  stage(digest?: Digest): Promise<StagedBlob>
  delete(digest: Digest): Promise<boolean>
  list(): AsyncIterable<{ readonly digest: Digest; readonly size: number }>
}

export interface OpenBlob {
  readonly size: number
  /** Fills `into` from `position`; returns how many bytes it put there (0 at the end). */
  read(into: Uint8Array, position: number): Promise<number>
  /**
   * The bytes in order. A chunk is valid until the next one is asked for: buffers are pooled.
   * @throws the signal's reason when it is aborted
   */
  stream(range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export interface StagedBlob {
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Fills `into` from `position`; bytes never written read as zero or as the end. */
  read(into: Uint8Array, position: number): Promise<number>
  /** The first `length` bytes are final, and may be hashed for `digest` while others still arrive. */
  settle(length: number, digest: Digest): void
  /**
   * Hashes what is not hashed yet, makes it durable (fsync of file and directory) and puts it under its digest.
   * @throws Fault DIGEST_INVALID when the bytes do not give the digest; the staged file is then gone, as after any
   *   failure but the abort of `signal`
   */
  commit(digest: Digest, signal?: AbortSignal): Promise<{ readonly size: number }>
  /** Idempotent; does nothing after `commit`. */
  discard(): Promise<void>
  /** How it outlives the run of the node; absent where it does not. */
  readonly keeping?: Keeping
}

/** What lets a half-arrived blob be gone on with later. A bounded number waits, for a bounded time. */
export interface Keeping {
  /** What was noted of the bytes that are there already; undefined where there are none. */
  readonly note: Uint8Array | undefined
  /** Makes what was written so far durable, then the note: a crash leaves it, or the one before. */
  checkpoint(note: Uint8Array): Promise<void>
  /** Ends it like `discard`, but leaves bytes and note to the next who stages the digest. */
  leave(): Promise<void>
}
