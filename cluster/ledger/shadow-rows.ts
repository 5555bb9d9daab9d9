import { decode } from 'cborg'
import type { TableChange } from '../../src/journal/journal.ts'
import type { KeyRange, KeyValue, Write } from '../../src/journal/key-value.ts'
import type { Rows, TableName } from '../../src/journal/rows.ts'
import { deleteRange } from './snapshots/slices.ts'

/** Where the tables are told anew, beside those in use. */
const SHADOW = 'retold/'
/** Rows that nothing is worked out from, and that no entry gives back. */
export const RETRACTED = 't/retracted/'
export const RETRACTED_TAGS = 't/retractedTags/'
/** All that the sequencer makes of the entries. */
const MADE: readonly string[] = ['feed/', 'state-hash/', 't/']

/** Rows told anew, in the same store under keys of their own, while the others stay in use. */
export class ShadowRows implements KeyValue {
  readonly #store: KeyValue

  constructor(store: KeyValue) {
    this.#store = store
  }

  get(key: string): Uint8Array | undefined {
    return this.#store.get(SHADOW + key)
  }

  async *range({ gte, lt, ...rest }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    for await (const [key, row] of this.#store.range({ gte: SHADOW + gte, lt: SHADOW + lt, ...rest }))
      yield [key.slice(SHADOW.length), row]
  }

  write(batch: readonly Write[]): Promise<void> {
    return this.#store.write(batch.map((one) => ({ ...one, key: SHADOW + one.key })))
  }

  async clear(): Promise<void> {
    await deleteRange(this.#store, all(SHADOW))
  }

  /** What of the rows in use differs: the writes that mend it, and the changes others want to hear of. */
  async difference(): Promise<{ writes: Write[]; changes: TableChange[] }> {
    const writes: Write[] = []
    for (const prefix of MADE) {
      const ours = told(this.#store.range(all(prefix)))[Symbol.asyncIterator]()
      const anew = this.range(all(prefix))[Symbol.asyncIterator]()
      let [a, b] = [await ours.next(), await anew.next()]
      while (!a.done || !b.done) {
        const [oldKey, oldRow] = a.done ? [undefined, undefined] : a.value
        const [newKey, newRow] = b.done ? [undefined, undefined] : b.value
        const order = compare(oldKey, newKey)
        if (order < 0) writes.push({ type: 'del', key: oldKey as string })
        else if (order > 0 || Buffer.compare(oldRow as Uint8Array, newRow as Uint8Array) !== 0)
          writes.push({ type: 'put', key: newKey as string, value: newRow as Uint8Array })
        if (order <= 0) a = await ours.next()
        if (order >= 0) b = await anew.next()
      }
    }
    return { writes, changes: writes.flatMap(changeOf) }
  }
}

/** Rows that are told by entries: what an earlier straightening took back is told by none. */
async function* told(
  rows: AsyncIterable<readonly [string, Uint8Array]>,
): AsyncGenerator<readonly [string, Uint8Array]> {
  for await (const row of rows)
    if (!row[0].startsWith(RETRACTED) && !row[0].startsWith(RETRACTED_TAGS)) yield row
}

function all(prefix: string): KeyRange {
  return { gte: prefix, lt: `${prefix}\u{10FFFF}` }
}

/** In the store's order, which is that of UTF-8; what has come to its end is last. */
function compare(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function changeOf(write: Write): TableChange[] {
  const [, table, key] = /^t\/([^/]+)\/([\s\S]*)$/.exec(write.key) ?? []
  if (table === undefined || key === undefined) return []
  const row = write.type === 'put' ? (decode(write.value) as Rows[TableName]) : undefined
  return [{ table: table as TableName, key, row }]
}
