import type { Digest } from '../oci/digest.ts'

/**
 * Wants the hashes of a blob's pieces, made in the pass that proves its digest, so that nobody has to read it
 * again for them. A cluster's swarm does; a node alone has no use for them.
 */
export interface PieceSink {
  /** Bytes of one piece of a blob of `size` bytes, never fewer for a larger one; undefined where none are wanted. */
  pieceLengthOf(size: number): number | undefined
  /**
   * Takes the SHA-1 of each piece, one after the other, of bytes that have given `digest`; they may not be
   * committed yet. What goes wrong here is the sink's own: a commit does not depend on it.
   */
  keep(digest: Digest, size: number, hashes: Uint8Array): Promise<void>
}
