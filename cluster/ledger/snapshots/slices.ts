import type { KeyRange, KeyValue, Write } from '../../../src/journal/key-value.ts'
import { PRUNE_SLICE_ROWS } from '../../limits.ts'

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

/** Writes what comes in batches of about so many bytes. */
export class BatchedWrites {
  readonly #store: KeyValue
  readonly #bytesMax: number
  #writes: Write[] = []
  #bytes = 0

  constructor(store: KeyValue, bytesMax: number) {
    this.#store = store
    this.#bytesMax = bytesMax
  }

  async add(write: Write): Promise<void> {
    this.#writes.push(write)
    this.#bytes += write.key.length + (write.type === 'put' ? write.value.length : 0)
    if (this.#bytes >= this.#bytesMax) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#writes.length > 0) await this.#store.write(this.#writes)
    this.#writes = []
    this.#bytes = 0
  }
}
