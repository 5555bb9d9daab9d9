/** Something that is to happen at a virtual moment. */
export interface Scheduled {
  readonly atMs: number
  /** Tells apart what happens at one moment: first asked for, first done. */
  readonly order: number
  readonly label: string
  /** Gone once it was called off. */
  task: (() => void) | undefined
}

/** Events by time: a binary heap. */
export class EventHeap {
  readonly #items: Scheduled[] = []

  get size(): number {
    return this.#items.length
  }

  push(item: Scheduled): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(item, items[parent] as Scheduled)) break
      items[at] = items[parent] as Scheduled
      at = parent
    }
    items[at] = item
  }

  pop(): Scheduled | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (first === undefined || last === undefined || items.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && isBefore(items[child + 1] as Scheduled, items[child] as Scheduled))
        child++
      if (!isBefore(items[child] as Scheduled, last)) break
      items[at] = items[child] as Scheduled
      at = child
    }
    items[at] = last
    return first
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
