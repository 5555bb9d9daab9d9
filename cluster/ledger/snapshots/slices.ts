import type { KeyRange, KeyValue, Write } from '../../../src/journal/key-value.ts'
import { laneRows, RowsSum, rowKey } from '../../../src/journal/lane-rows.ts'
import { familyOf, type Lane } from '../../../src/journal/op.ts'
import { hashWrite } from '../../../src/journal/table-store.ts'
import { DROP_SLICE_ROWS, PRUNE_SLICE_ROWS } from '../../limits.ts'

/**
 * Deletes a range in slices, each one batch.
 * @param rest waits between two, so that others get their turn
 */
export async function deleteRange(
  store: KeyValue,
  range: KeyRange,
  rest: () => Promise<void> = async () => {},
  also: (key: string, value: Uint8Array) => readonly Write[] = () => [],
): Promise<number> {
  let deleted = 0
  let from = range.gte
  for (;;) {
    const writes: Write[] = []
    let rows = 0
    for await (const [key, value] of store.range({ ...range, gte: from, limit: PRUNE_SLICE_ROWS })) {
      writes.push({ type: 'del', key }, ...also(key, value))
      from = `${key}\u0000`
      rows++
    }
    if (rows === 0) return deleted
    await store.write(writes)
    deleted += rows
    await rest()
  }
}

/**
 * Takes a slice of a lane's rows away, and out of its family's hash, as one batch.
 * @param hash of the family before
 * @returns whether some may be left
 */
export async function dropRows(store: KeyValue, lane: Lane, hash: string): Promise<boolean> {
  const sum = new RowsSum()
  const writes: Write[] = []
  const rows = laneRows(store, lane)
  for await (const row of rows) {
    sum.add(row)
    writes.push({ type: 'del', key: rowKey(row) })
    if (writes.length >= DROP_SLICE_ROWS) break
  }
  if (writes.length > 0) await store.write([...writes, hashWrite(familyOf(lane), sum.takenFrom(hash))])
  return writes.length >= DROP_SLICE_ROWS
}

/** Writes what comes in batches of about so many bytes; one is being written while the next is gathered. */
export class BatchedWrites {
  readonly #store: Pick<KeyValue, 'write'>
  readonly #bytesMax: number
  #writes: Write[] = []
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(store: Pick<KeyValue, 'write'>, bytesMax: number) {
    this.#store = store
    this.#bytesMax = bytesMax
  }

  /** Resolves at once, or when there is room for more. */
  async add(write: Write): Promise<void> {
    if (this.gather(write)) await this.turn()
  }

  /** @returns whether it is time for `turn`: rows by the hundred thousand need no promise each */
  gather(write: Write): boolean {
    this.#writes.push(write)
    this.#bytes += write.key.length + (write.type === 'put' ? write.value.length : 0)
    return this.#bytes >= this.#bytesMax
  }

  /** Begins to write what was gathered, once what was gathered before is written. */
  async turn(): Promise<void> {
    await this.#writing
    const writes = this.#writes
    this.#writes = []
    this.#bytes = 0
    if (writes.length === 0) return
    this.#writing = this.#store.write(writes)
    // Whoever asks next is told.
    this.#writing.catch(() => {})
  }

  /** All of it is written when this resolves. */
  async flush(): Promise<void> {
    await this.turn()
    await this.#writing
  }
}
