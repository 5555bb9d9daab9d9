import type { Digest, DigestAlgorithm } from '../oci/digest.ts'

/** Who may go on with an upload: checked on every request, so that an id alone is worth nothing (CVE-2026-32589). */
export interface UploadOwner {
  readonly principal: string
  readonly repository: string
}

export interface UploadState {
  /** 128 unguessable bits, URL-safe. */
  readonly id: string
  readonly owner: UploadOwner
  /** Bytes received and flushed so far; after a crash, what is really on disk. */
  readonly offset: number
  readonly startedAt: number
}

/**
 * Blobs on their way in from a client, in order, resumable, also across a restart of the node.
 * Where no upload has the id, `append` and `commit` throw Fault UPLOAD_UNKNOWN.
 */
export interface UploadStore {
  /** @throws Fault UPLOADS_TOO_MANY, STORAGE_FULL */
  create(owner: UploadOwner, algorithm?: DigestAlgorithm): Promise<UploadState>
  find(id: string): Promise<UploadState | undefined>
  /**
   * Appends at `offset`. What has arrived before `bytes` fails is kept, and counted in the next `find`.
   * @param bytes chunks that nobody writes to again: they are kept until a batch is full
   * @param length how many bytes there must be; when they are not as many, none of them is kept
   * @returns the new offset
   * @throws Fault RANGE_INVALID when `offset` is not where the upload stands
   * @throws Fault SIZE_INVALID when `bytes` are not `length` long; the upload then stands where it stood
   * @throws Fault UPLOAD_BUSY when another request writes to the same upload
   * @throws Fault STORAGE_FULL when the disk has no room; the upload is then cancelled, to make some
   */
  append(
    id: string,
    offset: number,
    bytes: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    length?: number,
  ): Promise<number>
  /**
   * Verifies, makes durable and moves the bytes under their digest; the upload is gone afterwards.
   * @throws Fault DIGEST_INVALID when the bytes do not give the digest; the upload is then cancelled
   */
  commit(id: string, digest: Digest): Promise<{ readonly size: number }>
  /** @throws Fault UPLOAD_BUSY */
  cancel(id: string): Promise<boolean>
}
