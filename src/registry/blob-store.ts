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
  /** A private file for bytes that arrive in any order (the swarm). Gone after a restart. */
  stage(): Promise<StagedBlob>
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
  /**
   * Hashes the whole file, makes it durable (fsync of file and directory) and puts it under its digest.
   * @throws Fault DIGEST_INVALID when the bytes do not give the digest; the staged file is then gone
   */
  commit(digest: Digest, signal?: AbortSignal): Promise<{ readonly size: number }>
  /** Idempotent; does nothing after `commit`. */
  discard(): Promise<void>
}
