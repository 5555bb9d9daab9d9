import { PAGE_SIZE_MAX } from '../limits.ts'

/** Which part of a list is asked for. */
export interface PageRequest {
  /** At most this many; the registry's own bound holds all the same. */
  readonly limit?: number | undefined
  /** Only what sorts after this. */
  readonly last?: string | undefined
}

export interface Page<T> {
  readonly items: readonly T[]
  /** To be given as `last` for the next page; undefined when this one is the end. */
  readonly next: string | undefined
}

export function pageSize({ limit }: PageRequest): number {
  return Math.min(limit ?? PAGE_SIZE_MAX, PAGE_SIZE_MAX)
}

/**
 * Takes a page from a list that is already in order, and looks one further to know whether it ends.
 * @param pick what of a row goes on the page; undefined leaves it out
 */
export async function takePage<Row, T>(
  rows: AsyncIterable<Row>,
  size: number,
  pick: (row: Row) => T | undefined,
  cursor: (item: T) => string,
): Promise<Page<T>> {
  const items: T[] = []
  if (size <= 0) return { items, next: undefined }
  for await (const row of rows) {
    const item = pick(row)
    if (item === undefined) continue
    if (items.length === size) return { items, next: cursor(items[size - 1] as T) }
    items.push(item)
  }
  return { items, next: undefined }
}
