/** The newest of what comes by, at most so many of them: what is older is let go while the rest is still read. */
export class Newest<T extends { readonly time: number; readonly id: string }> {
  readonly #most: number
  #kept: T[] = []
  #total = 0

  constructor(most: number) {
    this.#most = most
  }

  add(item: T): void {
    this.#total += 1
    this.#kept.push(item)
    if (this.#kept.length >= 2 * this.#most) this.#cut()
  }

  /** How many came by. */
  get total(): number {
    return this.#total
  }

  /** Newest first; those of one moment in the order of their ids. */
  from(start: number): readonly T[] {
    this.#cut()
    return this.#kept.slice(start)
  }

  #cut(): void {
    this.#kept.sort((a, b) => b.time - a.time || (a.id < b.id ? -1 : 1))
    this.#kept = this.#kept.slice(0, this.#most)
  }
}
