import type { DamageStatus } from './damage.ts'
import type { Fork } from './forks.ts'
import type { LaneStatus } from './snapshots/lane-keeper.ts'

/** What an operator may want to know of the ledger beside the tables. */
export interface LedgerStatus {
  readonly feeds: number
  readonly entries: number
  /** False once nobody would take what this node writes: it must be set up anew, as another node. */
  readonly writable: boolean
  readonly forks: readonly Omit<Fork, 'heldBlock' | 'rivalBlock'>[]
  /** How often each reason made an entry be refused, since the start. */
  readonly refused: Readonly<Record<string, number>>
  readonly parked: { readonly blocks: number; readonly bytes: number }
  /** Since the start: entries that came before what they depend on, and ops of kinds this version does not know. */
  readonly waited: number
  readonly unknownOps: number
  /** Entries the disk has changed. */
  readonly damaged: DamageStatus
  readonly lanes: readonly LaneStatus[]
}
