import type { Write } from './key-value.ts'
import type { Entry, FeedId, Lane } from './op.ts'
import type { FeedState, Rows, TableName } from './rows.ts'

/** Where signed entries live. The replicated journal keeps an OrbitDB log per feed, a single node plain rows. */
export interface FeedLog {
  /**
   * Signs the entry and writes it together with `writes` in one synced batch; durable when it resolves.
   * Called by the sequencer alone, one call at a time.
   */
  append(entry: Entry, bytes: Uint8Array, writes: readonly Write[]): Promise<void>
}

/** What this node holds of every feed, its own and others', to work things out again. */
export interface Archive {
  /** Entries from a number on, as far as they are held; where older ones were let go it begins with the first held. */
  read(feed: FeedId, from: number): AsyncIterable<Entry>
  /** Where a lane's older entries were let go: what it amounted to there. */
  base(lane: Lane): Promise<Base | undefined>
}

/** A lane as it stood at the end of what was let go. */
export interface Base {
  readonly feeds: ReadonlyMap<FeedId, FeedState>
  /** Its rows of a table whose keys begin so. */
  rows<T extends TableName>(
    table: T,
    prefix: string,
  ): AsyncIterable<{ readonly key: string; readonly row: Rows[T] }>
}

/** An entry from elsewhere whose signature and chain have been checked, with the log's own rows for it. */
export interface CheckedEntry {
  readonly entry: Entry
  readonly writes: readonly Write[]
}
