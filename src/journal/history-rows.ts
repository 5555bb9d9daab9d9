import { type HistoryBytes, unpackHistory } from './history-bytes.ts'
import type { Write } from './key-value.ts'
import type { HistoryOp } from './rows.ts'
import { wholeRow } from './whole-row.ts'

/** A history's other row: what does not count of it. Sorts right behind it. */
export function refusedKey(at: string): string {
  return `${at}\u0000refused`
}

/** @param at where the history's ops stand */
export function historyWrites(at: string, { ops, refused, wasRefused }: HistoryBytes): Write[] {
  const writes: Write[] = []
  if (ops) writes.push({ type: 'put', key: at, value: ops })
  if (refused) writes.push({ type: 'put', key: refusedKey(at), value: refused })
  else if (wasRefused) writes.push({ type: 'del', key: refusedKey(at) })
  return writes
}

/** Joins what stands in two rows. @param base what the keys begin with */
export async function* histories(
  rows: AsyncIterable<readonly [string, Uint8Array]>,
  base: string,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<{ key: string; row: readonly HistoryOp[] }> {
  let open: readonly [at: string, ops: Uint8Array] | undefined
  let given = 0
  const join = (refused: Uint8Array | undefined) => {
    const [at, ops] = open as readonly [string, Uint8Array]
    open = undefined
    given += 1
    return { key: at.slice(base.length), row: wholeRow(at, () => unpackHistory(ops, refused)) }
  }
  for await (const [at, bytes] of rows) {
    const isRefused = at.endsWith(refusedKey(''))
    if (open) yield join(at === refusedKey(open[0]) ? bytes : undefined)
    if (given >= limit) return
    if (!isRefused) open = [at, bytes]
  }
  if (open && given < limit) yield join(undefined)
}
