import type { KeyValue } from '../../src/journal/key-value.ts'
import type { SortedRows } from '../simulation/sorted-rows.ts'

/** The journal's store of a member whose disk is not what is tried. */
export function storeOver(rows: SortedRows): KeyValue {
  return {
    get: (key) => rows.get(key),
    range(bounds) {
      // As of the call, whatever is written while somebody reads.
      const found = rows.range(bounds)
      return {
        async *[Symbol.asyncIterator]() {
          yield* found
        },
      }
    },
    async write(batch) {
      for (const one of batch) {
        if (one.type === 'put') rows.put(one.key, one.value)
        else rows.delete(one.key)
      }
    },
  }
}
