import type { Phase } from '../phase.ts'
import { prune, recovery, snapshotInstalled, snapshotTaken } from './lanes.ts'
import { append, appendTogether, batch, review } from './writing.ts'

/** All but joining, which needs a network. */
export const PHASES: readonly Phase[] = [
  append,
  appendTogether,
  batch,
  review,
  snapshotTaken,
  snapshotInstalled,
  recovery,
  prune,
]
