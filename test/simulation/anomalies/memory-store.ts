import type { KeyRange, KeyValue, Write } from '../../../src/journal/key-value.ts'

/** What a store held once, shared by all that start from it. */
export type Stored = ReadonlyMap<string, Uint8Array>

const GONE = Symbol('gone')

/**
 * A store in memory over one that is never changed: a hundred thousand clusters start from the same rows, and a
 * disk has no part in what these tests are about.
 */
export class MemoryStore implements KeyValue {
  #below: Stored
  readonly #changed = new Map<string, Uint8Array | typeof GONE>()

  constructor(below: Stored = new Map()) {
    this.#below = below
  }

  get(key: string): Uint8Array | undefined {
    const changed = this.#changed.get(key)
    return changed === undefined ? this.#below.get(key) : changed === GONE ? undefined : changed
  }

  async *range({
    gte,
    lt,
    limit = Infinity,
    reverse = false,
  }: KeyRange): AsyncIterable<[string, Uint8Array]> {
    const rows: [string, Uint8Array][] = []
    const within = (key: string) => key >= gte && key < lt
    for (const [key, value] of this.#below)
      if (within(key) && !this.#changed.has(key)) rows.push([key, value])
    for (const [key, value] of this.#changed) if (within(key) && value !== GONE) rows.push([key, value])
    rows.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    if (reverse) rows.reverse()
    yield* rows.slice(0, limit)
  }

  write(batch: readonly Write[]): Promise<void> {
    for (const one of batch) this.#changed.set(one.key, one.type === 'put' ? one.value : GONE)
    return Promise.resolve()
  }

  /** Starts again from other rows. */
  reset(below: Stored): void {
    this.#below = below
    this.#changed.clear()
  }

  /** Everything as it stands now. */
  copy(): Stored {
    const all = new Map(this.#below)
    for (const [key, value] of this.#changed) {
      if (value === GONE) all.delete(key)
      else all.set(key, value)
    }
    return all
  }
}
