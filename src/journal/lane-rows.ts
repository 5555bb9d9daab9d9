import type { KeyRange, KeyValue, Write } from './key-value.ts'
import { familyOf, type Lane, monthOfLane } from './op.ts'
import type { TableName } from './rows.ts'
import { familyOfRow, HASH_MODULUS, hexadecimal, levelKey, rowHash } from './table-store.ts'

/** A table's row as it stands in the store. */
export interface RawRow {
  readonly table: TableName
  readonly key: string
  readonly bytes: Uint8Array
}

const TABLES: KeyRange = { gte: 't/', lt: 't0' }

/** Where the row stands in the store: all that sorts lane rows. */
export function rowKey({ table, key }: Pick<RawRow, 'table' | 'key'>): string {
  return levelKey(table, key)
}

export function putRow(row: RawRow): Write {
  return { type: 'put', key: rowKey(row), value: row.bytes }
}

/** Whether such a row is made by that lane's ops. A family has one lane until there is more than one tenant. */
export function belongsTo(lane: Lane, table: TableName, key: string): boolean {
  const family = familyOf(lane)
  if (familyOfRow(table, key) !== family) return false
  return family !== 'trail' || key.startsWith(`${monthOfLane(lane)}\u0000`)
}

/**
 * The lane's rows as they stand at the call, sorted by their keys' bytes: asked for in the writer's turn
 * they are those of one frontier, however long it takes to read them.
 */
export function laneRows(store: Pick<KeyValue, 'range'>, lane: Lane): AsyncIterable<RawRow> {
  if (familyOf(lane) !== 'trail') return pick([store.range(TABLES)], lane)
  const months = (['events', 'linkUse', 'pulls'] as const).map((table) => {
    const month = rowKey({ table, key: monthOfLane(lane) ?? '' })
    return store.range({ gte: `${month}\u0000`, lt: `${month}\u0001` })
  })
  return pick(months, lane)
}

async function* pick(
  ranges: readonly AsyncIterable<readonly [string, Uint8Array]>[],
  lane: Lane,
): AsyncGenerator<RawRow> {
  for (const rows of ranges) {
    for await (const [at, bytes] of rows) {
      const slash = at.indexOf('/', 2)
      const table = at.slice(2, slash) as TableName
      const key = at.slice(slash + 1)
      if (belongsTo(lane, table, key)) yield { table, key, bytes }
    }
  }
}

/** The sum of rows' hashes, as the tables keep it for each family: the order of rows leaves no trace. */
export class RowsSum {
  #sum = 0n

  add({ table, key, bytes }: RawRow): void {
    this.#sum = (this.#sum + rowHash(table, key, bytes)) % HASH_MODULUS
  }

  get value(): bigint {
    return this.#sum
  }

  /** What is left of a sum without these rows. @param hash 64 hexadecimal digits */
  takenFrom(hash: string): bigint {
    return (BigInt(`0x${hash}`) - this.#sum + HASH_MODULUS) % HASH_MODULUS
  }

  /** 64 hexadecimal digits. */
  get hex(): string {
    return hexadecimal(this.#sum)
  }
}
