import type { FeedLog } from '../../src/journal/feed-log.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import type { Entry, FeedId } from '../../src/journal/op.ts'

/** A block whose form is right and whose parts agree. The signature is yet to be checked. */
export interface Block {
  readonly entry: Entry
  readonly feed: FeedId
  readonly hash: string
  /** Hash of the block before it; none for the first. */
  readonly next: string | undefined
  readonly bytes: Uint8Array
  /** @throws Fault ENTRY_FORGED unless the entry's author signed exactly this */
  verify(): Promise<void>
}

/**
 * How entries are linked, signed and written. The product's is OrbitDB's, whose signatures run in the
 * thread pool; the deterministic simulation brings one that does not.
 */
export interface BlockFormat {
  /** This node's own feeds. `onAppended` is told of each block once it is durable. */
  ownLog(parts: {
    readonly store: KeyValue
    readonly cluster: string
    readonly onAppended: (block: Uint8Array) => void
  }): FeedLog
  /**
   * Reads bytes from elsewhere as a block of this cluster. Looks at nothing but the bytes, so every node
   * comes to the same answer.
   * @throws Fault BLOCK_INVALID, ENTRY_INVALID, AUTHOR_INVALID, ENTRY_FOREIGN, ENTRY_FORGED
   */
  read(bytes: Uint8Array, cluster: string): Promise<Block>
  /** What the bytes hash to, whatever they are. */
  hashOf(block: Uint8Array): string
  /** Hash of the block before one that was checked when it came in. */
  nextOf(block: Uint8Array): string | undefined
  /** The entry of a block that was checked when it came in. */
  entryOf(block: Uint8Array): Entry
}
