import { decode, encode } from 'cborg'
import type { Entry, Op } from '../../src/journal/op.ts'
import { tableRows } from './checkers/disk-state.ts'
import { referenceState } from './reference/reference.ts'
import type { SortedRows } from './sorted-rows.ts'

/**
 * I3: the rows are what the naive reference makes of the same entries, worked out from nothing.
 * @param isCompacted whether a snapshot stands for the op where its log is gone
 * @returns the first row that is not
 */
export function unlikeReference(
  entries: readonly Entry[],
  rows: SortedRows,
  stateHash: string,
  isCompacted: (op: Op) => boolean,
): string | undefined {
  const expected = referenceState(entries, isCompacted)
  if (expected.stateHash === stateHash) return undefined
  const show = (row: Uint8Array | undefined) => (row ? JSON.stringify(decode(row)) : 'nothing')
  const held = new Map(tableRows(rows))
  for (const [table, byKey] of expected.tables) {
    for (const [key, row] of byKey) {
      const at = `t/${table}/${key}`
      const [here, there] = [held.get(at), encode(row)]
      held.delete(at)
      if (here && Buffer.compare(here, there) === 0) continue
      return `${at} is ${show(here)}, and ${show(there)} by the reference`
    }
  }
  const [extra] = held
  return extra
    ? `${extra[0]} is ${show(extra[1])}, and nothing by the reference`
    : 'the hashes differ, no row does'
}
