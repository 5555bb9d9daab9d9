import { hash } from 'node:crypto'
import { encode } from 'cborg'
import { familyOf, type Op, parseFeedId } from '../../../src/journal/op.ts'
import type { IneffectiveRow, Rows, TableName } from '../../../src/journal/rows.ts'

/** The tables every node must agree on; what is left out a node keeps for itself. */
export type SharedTable = Exclude<
  TableName,
  | 'history'
  | 'stages'
  | 'stageMembers'
  | 'dependents'
  | 'reviews'
  | 'disputes'
  | 'disputedFields'
  | 'retracted'
  | 'retractedTags'
>

/** Rows by table and key, as they come out in the end. */
export class ReferenceTables {
  readonly rows = new Map<string, Map<string, unknown>>()

  put<T extends SharedTable>(table: T, key: string, row: Rows[T]): void {
    const rows = this.rows.get(table) ?? new Map<string, unknown>()
    this.rows.set(table, rows.set(key, row))
  }

  get<T extends TableName>(table: T, key: string): Rows[T] | undefined {
    return this.rows.get(table)?.get(key) as Rows[T] | undefined
  }

  ineffective(op: Op, row: IneffectiveRow): void {
    this.put('ineffective', `${familyOf(parseFeedId(op.dot.feed).lane)}/${op.id}`, row)
  }

  /** As `src/journal/table-store.ts` has it: the sum of all rows' hashes modulo 2^256. */
  stateHash(): string {
    let sum = 0n
    for (const [table, rows] of this.rows) {
      for (const [key, row] of rows) {
        const text = Buffer.concat([Buffer.from(`${table}\n${key}\n`), encode(row)])
        sum += BigInt(`0x${hash('sha256', text, 'hex')}`)
      }
    }
    return (sum % (1n << 256n)).toString(16).padStart(64, '0')
  }
}
