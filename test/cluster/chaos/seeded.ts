import { createHash } from 'node:crypto'

/** Chance from a seed: the same seed makes the same choices. Forks keep one actor's choices from another's. */
export class Seeded {
  readonly #seed: string
  #state: [number, number, number, number]

  constructor(seed: string) {
    this.#seed = seed
    const hash = createHash('sha256').update(seed).digest()
    this.#state = [0, 4, 8, 12].map((at) => hash.readUInt32LE(at)) as [number, number, number, number]
  }

  fork(label: string): Seeded {
    return new Seeded(`${this.#seed}/${label}`)
  }

  /** 0 <= n < `below`, at most 2^32. */
  integer(below: number): number {
    return Math.floor((this.#next() / 2 ** 32) * below)
  }

  /** `from` <= n <= `to`, whole numbers. */
  between(from: number, to: number): number {
    return from + this.integer(to - from + 1)
  }

  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('nothing to pick from')
    return list[this.integer(list.length)] as T
  }

  /** As `pick`, each name as often as its number says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries<number>(weights) as [Name, number][]
    let left = this.integer(entries.reduce((sum, [, weight]) => sum + weight, 0))
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    throw new RangeError('no weights')
  }

  shuffled<T>(list: readonly T[]): T[] {
    const copy = [...list]
    for (let at = copy.length - 1; at > 0; at--) {
      const other = this.integer(at + 1)
      ;[copy[at], copy[other]] = [copy[other] as T, copy[at] as T]
    }
    return copy
  }

  /** sfc32: small, fast, and good enough to choose faults by. */
  #next(): number {
    let [a, b, c, d] = this.#state
    const t = (a + b + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    this.#state = [a, b, c | 0, d]
    return t >>> 0
  }
}
