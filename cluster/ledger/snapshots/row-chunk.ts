import { hash } from 'node:crypto'
import { Fault } from '../../../src/errors.ts'
import { belongsTo, type RawRow } from '../../../src/journal/lane-rows.ts'
import type { Lane } from '../../../src/journal/op.ts'
import type { TableName } from '../../../src/journal/rows.ts'
import { HASH_MODULUS, hexadecimal } from '../../../src/journal/table-store.ts'
import { SNAPSHOT_KEY_BYTES_MAX, SNAPSHOT_ROW_BYTES_MAX } from '../../limits.ts'

/**
 * Rows side by side, each as
 *
 *   2 bytes  length of the table's name      4 bytes  length of the row
 *   2 bytes  length of the key               table '\n' key '\n' row
 *
 * so that what is hashed of a row (`rowHash`) lies there in one piece and is never copied.
 */
const LENGTHS_BYTES = 8
const NEWLINE = 0x0a

/** A row as it lies in a snapshot. */
export interface ChunkRow extends RawRow {
  /** What its hash is made of. */
  readonly image: Uint8Array
}

/** Bytes the row takes in a chunk. */
export function encodeRow({ table, key, bytes }: RawRow): Uint8Array {
  const tableBytes = Buffer.byteLength(table)
  const keyBytes = Buffer.byteLength(key)
  const row = Buffer.allocUnsafe(LENGTHS_BYTES + tableBytes + keyBytes + 2 + bytes.length)
  row.writeUInt16BE(tableBytes, 0)
  row.writeUInt16BE(keyBytes, 2)
  row.writeUInt32BE(bytes.length, 4)
  const key0 = LENGTHS_BYTES + row.write(`${table}\n`, LENGTHS_BYTES)
  row.set(bytes, key0 + row.write(`${key}\n`, key0))
  return row
}

/** Takes chunks apart, one after the other: rows are sorted across them, and all of one lane. */
export class ChunkReader {
  readonly #lane: Lane
  #table = ''
  #key: Buffer = Buffer.alloc(0)

  constructor(lane: Lane) {
    this.#lane = lane
  }

  /** @throws Fault SNAPSHOT_INVALID for rows of other lanes, out of order or too large */
  read(chunk: Buffer): ChunkRow[] {
    const rows: ChunkRow[] = []
    for (let at = 0; at < chunk.length; ) {
      if (chunk.length - at < LENGTHS_BYTES) throw this.#invalid('a row is cut off')
      const tableEnd = at + LENGTHS_BYTES + chunk.readUInt16BE(at)
      const keyBytes = chunk.readUInt16BE(at + 2)
      const rowBytes = chunk.readUInt32BE(at + 4)
      const keyEnd = tableEnd + 1 + keyBytes
      const end = keyEnd + 1 + rowBytes
      if (end > chunk.length || keyBytes > SNAPSHOT_KEY_BYTES_MAX || rowBytes > SNAPSHOT_ROW_BYTES_MAX) {
        throw this.#invalid('a row is larger than it may be')
      }
      const key = chunk.subarray(tableEnd + 1, keyEnd)
      const row = {
        table: chunk.toString('latin1', at + LENGTHS_BYTES, tableEnd) as TableName,
        key: key.toString(),
        bytes: chunk.subarray(keyEnd + 1, end),
        image: chunk.subarray(at + LENGTHS_BYTES, end),
      }
      const isForm = chunk[tableEnd] === NEWLINE && chunk[keyEnd] === NEWLINE && isText(row.key, key)
      if (!isForm || !belongsTo(this.#lane, row.table, row.key)) {
        throw this.#invalid('a row has no place in the lane')
      }
      if (!this.#isNext(row.table, key)) throw this.#invalid('the snapshot’s rows are out of order')
      this.#table = row.table
      this.#key = key
      rows.push(row)
      at = end
    }
    return rows
  }

  /** In the order of `rowKey`, by bytes. */
  #isNext(table: string, key: Buffer): boolean {
    if (table === this.#table) return Buffer.compare(this.#key, key) < 0
    return Buffer.compare(Buffer.from(`${this.#table}/`), Buffer.from(`${table}/`)) < 0
  }

  #invalid(why: string): Fault {
    return new Fault('SNAPSHOT_INVALID', why, { lane: this.#lane })
  }
}

/** Bytes that are no UTF-8 become another key than the one that was hashed. */
function isText(text: string, bytes: Buffer): boolean {
  return !text.includes('\ufffd') || Buffer.from(text).equals(bytes)
}

/** So many hashes are added up in words before they are carried: words of 32 bits stay exact far longer. */
const CARRY_AFTER = 2 ** 20

/** What `RowsSum` works out, for rows as they lie in a chunk: ten times as many go by in the same time. */
export class ImageSum {
  #sum = 0n
  readonly #words = new Float64Array(8)
  #added = 0

  add({ image }: Pick<ChunkRow, 'image'>): void {
    const sum = hash('sha256', image, 'buffer')
    for (let word = 0; word < 8; word++) {
      this.#words[word] = (this.#words[word] as number) + sum.readUInt32BE(word * 4)
    }
    this.#added++
    if (this.#added === CARRY_AFTER) this.#carry()
  }

  get value(): bigint {
    this.#carry()
    return this.#sum
  }

  /** 64 hexadecimal digits. */
  get hex(): string {
    return hexadecimal(this.value)
  }

  #carry(): void {
    let sum = 0n
    for (const word of this.#words) sum = (sum << 32n) + BigInt(word)
    this.#sum = (this.#sum + sum) % HASH_MODULUS
    this.#words.fill(0)
    this.#added = 0
  }
}
