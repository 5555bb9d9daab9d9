import type { KeyRange } from '../../src/journal/key-value.ts'

/** Rows in the order of their keys' UTF-8 bytes, as LevelDB has them. */
export class SortedRows {
  readonly #values = new Map<string, Uint8Array>()
  /** [sort key, key], kept in order. */
  readonly #order: string[] = []
  readonly #keys = new Map<string, string>()

  get size(): number {
    return this.#values.size
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)
  }

  put(key: string, value: Uint8Array): void {
    if (!this.#values.has(key)) {
      const sorted = sortKey(key)
      this.#order.splice(this.#indexOf(sorted), 0, sorted)
      if (sorted !== key) this.#keys.set(sorted, key)
    }
    this.#values.set(key, value)
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return
    const sorted = sortKey(key)
    this.#order.splice(this.#indexOf(sorted), 1)
    this.#keys.delete(sorted)
  }

  range({ gte, lt, limit = Number.POSITIVE_INFINITY, reverse = false }: KeyRange): [string, Uint8Array][] {
    const from = this.#indexOf(sortKey(gte))
    const to = this.#indexOf(sortKey(lt))
    const within = this.#order.slice(from, Math.max(from, to))
    const some = (reverse ? within.reverse() : within).slice(0, limit)
    return some.map((sorted) => {
      const key = this.#keys.get(sorted) ?? sorted
      return [key, this.#values.get(key) as Uint8Array]
    })
  }

  /** What it holds at this moment, to be looked at or gone back to later. */
  copy(): SortedRows {
    const copy = new SortedRows()
    for (const [key, value] of this.#values) copy.#values.set(key, value)
    for (const [sorted, key] of this.#keys) copy.#keys.set(sorted, key)
    copy.#order.push(...this.#order)
    return copy
  }

  /** Index of the first that does not come before. */
  #indexOf(sorted: string): number {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#order[middle] as string) < sorted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A text that compares as the key's bytes do; JavaScript compares UTF-16 units, which is another order. */
function sortKey(key: string): string {
  for (let at = 0; at < key.length; at++) {
    if (key.charCodeAt(at) > 0x7f) return Buffer.from(key, 'utf8').toString('latin1')
  }
  return key
}
