import { decode, encode } from 'cborg'
import type { Readable } from '../authority/history.ts'
import type { KeyRange, KeyValue } from '../key-value.ts'
import { type RawRow, rowKey } from '../lane-rows.ts'
import { isSplit } from '../register.ts'
import type { Rows, TableName, TagRow } from '../rows.ts'

/** Where `disputes` stands in the store. */
export const DISPUTES: KeyRange = { gte: 't/disputes/', lt: 't/disputes0' }

/** Whether a tag means several things, or was to mean what a rule on tags forbade: the tags `disputes` names. */
export function isDisputed(tables: Readable, { values, ops = [] }: TagRow): boolean {
  if (isSplit(values)) return true
  return ops.some(({ id }) => tables.get('ineffective', `catalog/${id}`)?.reason === 'immutable')
}

/**
 * The row of `disputes` that goes with a row of `tags`, where a lane's rows are put down as another node had them.
 * @param store holds the lane's `ineffective` already
 */
export function disputeOf(store: Pick<KeyValue, 'get'>, { table, key, bytes }: RawRow): RawRow | undefined {
  if (table !== 'tags') return undefined
  const row = decode(bytes) as TagRow
  const tables: Readable = {
    get<T extends TableName>(table: T, key: string) {
      const bytes = store.get(rowKey({ table, key }))
      return bytes && (decode(bytes) as Rows[T])
    },
  }
  return isDisputed(tables, row) ? { table: 'disputes', key, bytes: encode({ tag: row.tag }) } : undefined
}
