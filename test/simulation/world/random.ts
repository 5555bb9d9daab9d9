import type { Random } from '../../../src/runtime/random.ts'

const UINT32 = 2 ** 32

/** Chance from a seed: xoshiro128**, whose whole state is four words. The same seed gives the same run. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    // SplitMix32 fills the state, so that neighbouring seeds have nothing in common.
    let state = (seed ^ Math.imul(Math.floor(seed / UINT32), 0x9e3779b9)) >>> 0
    const next = () => {
      state = (state + 0x9e3779b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a2d97)
      return (mixed ^ (mixed >>> 15)) >>> 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next()
  }

  word(): number {
    const scrambled = Math.imul(this.#b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.word() >>> 24)
  }

  integer(below: number): number {
    const high = below > UINT32 ? this.word() & 0xffff : 0
    return (high * UINT32 + this.word()) % below
  }

  /** 0 <= x < 1 */
  fraction(): number {
    return this.word() / UINT32
  }

  between(low: number, high: number): number {
    return low + this.fraction() * (high - low)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  /** @throws RangeError when there is nothing to pick */
  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new RangeError('nothing to pick from')
    return from[this.integer(from.length)] as T
  }

  /** As many different ones, in no order. */
  sample<T>(from: readonly T[], count: number): T[] {
    const left = [...from]
    return Array.from({ length: Math.min(count, left.length) }, () => {
      const [one] = left.splice(this.integer(left.length), 1)
      return one as T
    })
  }

  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][]
    let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      if (left < 0) return key
    }
    return (entries.at(-1) as [K, number])[0]
  }

  /** Chance of its own, so that what one part draws does not shift what another does. */
  fork(): SeededRandom {
    return new SeededRandom(this.word())
  }
}
