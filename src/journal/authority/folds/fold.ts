import type { HistoryOp, Refused } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'

/** What gave way within an entity, by op id. */
export type Lost = Map<string, Refused>

/**
 * Makes an entity's rows from its history. `ops` are those that count, in (depth, id) order; the same ops give the
 * same rows, however they came.
 */
export type Fold = (draft: Draft, id: string, ops: readonly HistoryOp[]) => Lost

export const NOTHING_LOST: Lost = new Map()
