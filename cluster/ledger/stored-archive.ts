import { Fault } from '../../src/errors.ts'
import type { Archive } from '../../src/journal/feed-log.ts'
import type { Entry, FeedId, Lane } from '../../src/journal/op.ts'
import type { SnapshotRow } from '../../src/journal/rows.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { Floors } from './snapshots/floors.ts'
import { SnapshotBase } from './snapshots/snapshot-base.ts'
import type { StoredFeeds } from './stored-feeds.ts'

export interface StoredArchiveParts {
  readonly feeds: StoredFeeds
  readonly floors: Floors
  /** The entry of a block that was checked when it came in. */
  readonly entryOf: (block: Uint8Array) => Entry
  readonly snapshot: (id: string) => SnapshotRow | undefined
  readonly blobs: Pick<BlobStore, 'open'> | undefined
}

/** The stored blocks as entries, for working things out again. */
export class StoredArchive implements Archive {
  readonly #parts: StoredArchiveParts

  constructor(parts: StoredArchiveParts) {
    this.#parts = parts
  }

  async *read(feed: FeedId, from: number): AsyncGenerator<Entry> {
    for await (const { bytes } of this.#parts.feeds.inOrder(feed, from)) yield this.#parts.entryOf(bytes)
  }

  /** @throws Fault SNAPSHOT_UNREACHABLE while the bytes that stand for older records cannot be had */
  async base(lane: Lane): Promise<SnapshotBase | undefined> {
    const { floors, snapshot, blobs } = this.#parts
    const floor = floors.of(lane)
    if (!floor?.snapshot) return undefined
    const digest = floor.digest ?? snapshot(floor.snapshot)?.digest
    if (digest === undefined || !blobs) {
      throw new Fault('SNAPSHOT_UNREACHABLE', 'the snapshot that stands for older records is not known', {
        lane,
      })
    }
    return SnapshotBase.open(async () => {
      const blob = await blobs.open(digest as Digest)
      if (blob) return blob
      throw new Fault('SNAPSHOT_UNREACHABLE', 'the snapshot’s bytes are not here', {
        lane,
        digest,
      })
    })
  }
}
