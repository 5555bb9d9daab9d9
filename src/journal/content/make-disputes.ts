import { decode, encode } from 'cborg'
import { fieldsOf } from '../authority/folds/fields.ts'
import type { KeyValue, Write } from '../key-value.ts'
import { isSplit } from '../register.ts'
import type { ProjectRow, UserRow } from '../rows.ts'
import { levelKey } from '../table-store.ts'
import { disputeOf } from './disputes.ts'

/** Says that `disputes` and `disputedFields` have been kept since the first record. */
const MADE = 'made/disputes'
/** Writes at once; a data directory of a large registry has some 100,000 tags. */
const BATCH = 1000

/**
 * Makes the lists of what means several things from the rows, once, in a data directory from before these were kept.
 * To be called before anything is read from the tables.
 */
export async function makeDisputes(store: KeyValue): Promise<void> {
  if (store.get(MADE)) return
  let writes: Write[] = []
  const add = async (write: Write) => {
    writes.push(write)
    if (writes.length < BATCH) return
    await store.write(writes)
    writes = []
  }
  for await (const [at, bytes] of store.range({ gte: 't/tags/', lt: 't/tags0' })) {
    const key = at.slice('t/tags/'.length)
    const row = disputeOf(store, { table: 'tags', key, bytes })
    if (row) await add({ type: 'put', key: levelKey('disputes', key), value: row.bytes })
  }
  for (const [table, what] of [
    ['users', 'user'],
    ['projects', 'project'],
  ] as const) {
    for await (const [at, bytes] of store.range({ gte: `t/${table}/`, lt: `t/${table}0` })) {
      const row = decode(bytes) as UserRow | ProjectRow
      if (row.deleted) continue
      const fields = fieldsOf(row).flatMap(([name, register]) => (isSplit(register) ? [name] : []))
      const key = levelKey('disputedFields', `${what}:${at.slice(`t/${table}/`.length)}`)
      if (fields.length > 0) await add({ type: 'put', key, value: encode({ fields }) })
    }
  }
  await store.write([...writes, { type: 'put', key: MADE, value: encode(true) }])
}
