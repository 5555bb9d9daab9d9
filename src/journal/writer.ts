import type { Frontier } from './op.ts'
import type { Draft, TableStore } from './table-store.ts'

/** The writer of the tables, as far as a review needs it. */
export interface Writer {
  readonly tables: TableStore
  /** Grows with each group of the authority's: what was worked out from the tables before it may be another now. */
  readonly rulings: number
  frontier(): Frontier
  /**
   * Runs in the writer's turn, with nothing written beside it; what `change` leaves in the draft becomes durable.
   * @param meanwhile runs while it is being written
   */
  turn(change: (draft: Draft) => Promise<Draft>, meanwhile?: () => void): Promise<void>
}
