import type { Frontier, Lane, NewOp, OpId } from './op.ts'
import type { Rows, TableName } from './rows.ts'

/** The tables every decision reads: this node's own copy, no network behind it. Rows are never to be changed. */
export interface Tables {
  /** Cheap (memory, else one point read). */
  get<T extends TableName>(table: T, key: string): Rows[T] | undefined
  /** In key order (UTF-8 bytes). `after` is exclusive and a whole key. */
  list<T extends TableName>(
    table: T,
    options?: ListOptions,
  ): AsyncIterable<{ readonly key: string; readonly row: Rows[T] }>
}

export interface ListOptions {
  readonly prefix?: string
  readonly after?: string
  readonly limit?: number
}

/** One table row as it became; `row` is undefined where it went. */
export interface TableChange {
  readonly table: TableName
  readonly key: string
  readonly row: Rows[TableName] | undefined
}

/**
 * Where every record is written. The replicated journal and the single-node one are the same to a caller.
 */
export interface Journal {
  /** This node's id, the author of what it commits. */
  readonly node: string
  readonly cluster: string
  readonly tables: Tables
  /**
   * Runs `plan` against the tables as they stand, in its turn, with nothing in between; signs the ops it
   * returns, applies them and makes all of it durable together with its neighbours (one synced batch).
   * Resolves after that. A plan that throws rejects only its own caller, and nothing of it is kept.
   * A plan must be synchronous and free of effects: it may run again.
   * @throws Fault JOURNAL_BUSY when too much waits, JOURNAL_READ_ONLY when this node may not write: where it learnt
   * that while it wrote, the ops stand here until they are taken back
   */
  commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed>
  /** Called after a batch is durable, local or from elsewhere, in order. */
  onChange(listener: (changes: readonly TableChange[]) => void): () => void
  frontier(): Frontier
  /** SHA-256 shaped digest of all effective rows: equal on nodes that hold the same records. */
  stateHash(): string
}

export interface Committed {
  /** Ids of the plan's ops, in its order: the id of what a `*.created` op made. */
  readonly ids: readonly OpId[]
}
