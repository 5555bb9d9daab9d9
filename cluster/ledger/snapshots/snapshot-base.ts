import { decode } from 'cborg'
import type { Base } from '../../../src/journal/feed-log.ts'
import { type RawRow, rowKey } from '../../../src/journal/lane-rows.ts'
import type { FeedId } from '../../../src/journal/op.ts'
import type { FeedState, Rows, TableName } from '../../../src/journal/rows.ts'
import type { OpenBlob } from '../../../src/registry/blob-store.ts'
import { SnapshotReader } from './snapshot-form.ts'

/**
 * What a lane amounted to where its log begins, read from the snapshot's blob. Rare (a late eviction that cuts
 * behind a floor), so each question reads the sorted rows from the front up to where its answer ends.
 */
export class SnapshotBase implements Base {
  readonly feeds: ReadonlyMap<FeedId, FeedState>
  readonly #open: () => Promise<OpenBlob>

  private constructor(feeds: ReadonlyMap<FeedId, FeedState>, open: () => Promise<OpenBlob>) {
    this.feeds = feeds
    this.#open = open
  }

  /** @throws Fault SNAPSHOT_INVALID, SNAPSHOT_UNREACHABLE */
  static async open(open: () => Promise<OpenBlob>): Promise<SnapshotBase> {
    const blob = await open()
    try {
      const reader = await SnapshotReader.open(blob.stream())
      await reader.close()
      const feeds = reader.feeds.map(({ feed, seq, depth, seen }): [FeedId, FeedState] => [
        feed,
        { seq, depth, seen },
      ])
      return new SnapshotBase(new Map(feeds), open)
    } finally {
      await blob.close()
    }
  }

  /** All of its rows, as they stand in a store, sorted as they stand there. */
  async *all(): AsyncGenerator<RawRow> {
    const blob = await this.#open()
    try {
      const reader = await SnapshotReader.open(blob.stream())
      try {
        for await (const rows of reader.rows()) yield* rows
      } finally {
        await reader.close()
      }
    } finally {
      await blob.close()
    }
  }

  async *rows<T extends TableName>(
    table: T,
    prefix: string,
  ): AsyncGenerator<{ readonly key: string; readonly row: Rows[T] }> {
    const from = Buffer.from(rowKey({ table, key: prefix }))
    const blob = await this.#open()
    try {
      const reader = await SnapshotReader.open(blob.stream())
      try {
        for await (const rows of reader.rows()) {
          for (const row of rows) {
            const place = placeOf(row, from)
            if (place > 0) return
            if (place === 0) yield { key: row.key, row: decode(row.bytes) as Rows[T] }
          }
        }
      } finally {
        // The blob is not closed while somebody reads it, and mostly not all of it is wanted.
        await reader.close()
      }
    } finally {
      await blob.close()
    }
  }
}

/** Whether the row's key comes before (-1), among (0) or behind (1) those that begin with `from`. */
function placeOf(row: RawRow, from: Buffer): number {
  return Buffer.compare(Buffer.from(rowKey(row)).subarray(0, from.length), from)
}
