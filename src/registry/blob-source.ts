import type { Digest } from '../oci/digest.ts'
import type { ByteRange } from './blob-store.ts'
import type { PieceSink } from './piece-sink.ts'

/** Where blobs come from that this node lacks. A cluster fulfils it; a single node has `noBlobSource`. */
export interface BlobSource {
  /**
   * Starts the one fetch of this digest, or joins it. Resolves as soon as a holder is found and the size
   * known, long before the bytes are here; undefined when no reachable member holds the blob.
   * The fetch goes on to its end even when every reader has left.
   * @throws Fault LINK_CLOSED when those that hold it are beyond links nothing may go over now
   */
  fetch(digest: Digest, signal?: AbortSignal, options?: FetchOptions): Promise<IncomingBlob | undefined>
  /** This node now holds the blob, durable: others may be told. */
  announce(digest: Digest, size: number): void
  /** Where the piece hashes of what clients push go, so that who fetches it can be told at once. */
  readonly pieces?: PieceSink
}

/**
 * What a blob is fetched for. `pull`: somebody waits for it. `bulk`: nobody does, so that it keeps to the hours of links
 * between sites. `records`: the cluster needs it to hold together, so that no link is closed for it.
 */
export type Purpose = 'pull' | 'bulk' | 'records'

export interface FetchOptions {
  /** `pull` where nothing is said. */
  readonly purpose?: Purpose
}

export interface IncomingBlob {
  /** Bytes in all, as the holder says; proven with the digest at the end. */
  readonly size: number
  /**
   * The bytes in order while they arrive. The last chunk is withheld until the whole agrees with the
   * digest, so a reader that got all of it got verified bytes.
   * @throws Fault BLOB_FETCH_FAILED when no holder is left or the bytes do not give the digest
   */
  stream(range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Settles when the blob is committed to the store, or rejects as `stream` throws. */
  readonly committed: Promise<void>
}

export const noBlobSource: BlobSource = {
  fetch: async () => undefined,
  announce: () => {},
}
