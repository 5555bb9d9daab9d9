import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { API_PAGE_SIZE_DEFAULT, API_PAGE_SIZE_MAX } from '../../limits.ts'
import { type Filter, parseFilters } from './filter.ts'
import type { Reply } from './route.ts'

/** What one list may come to before it is cut into pages; a search narrows it down. */
const LIST_ROWS_MAX = 100_000

const count = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'must be a whole number from 1')
  .transform(Number)

/** Harbor's parameters of every list; a page larger than the largest is the largest (CVE-2023-2253). */
export const listQuery = z.object({
  page: count.default(1),
  page_size: count.default(API_PAGE_SIZE_DEFAULT).transform((size) => Math.min(size, API_PAGE_SIZE_MAX)),
  q: z.string().max(2048).default(''),
  sort: z.string().max(512).default(''),
})

export type ListQuery = z.infer<typeof listQuery>
export type Value = string | number | boolean

/** A field that `q` and `sort` may name. What is not among a list's fields can't be asked about. */
export interface Field<T> {
  readonly type: 'text' | 'number' | 'flag' | 'time'
  of(item: T): Value
}

export interface List<T> {
  readonly fields: ReadonlyMap<string, Field<T>>
  /** The field a list is in order of, where nobody says otherwise. */
  readonly order: string
}

/**
 * One page of `items`: filtered, in order, cut.
 * @throws Fault BAD_REQUEST for a field that is not on the list
 */
export async function pageOf<T>(
  items: AsyncIterable<T>,
  { fields, order }: List<T>,
  query: ListQuery,
  url: string,
  show: (item: T) => unknown,
): Promise<Reply> {
  const filters = parseFilters(query.q, fields)
  const compare = parseSort(query.sort || order, fields)
  const found = await matching(items, filters)
  found.sort(compare)
  const start = (query.page - 1) * query.page_size
  const link = linksOf(url, query, found.length)
  return {
    status: 200,
    body: found.slice(start, start + query.page_size).map(show),
    headers: { 'x-total-count': String(found.length), ...(link !== '' && { link }) },
  }
}

async function matching<T>(items: AsyncIterable<T>, filters: readonly Filter<T>[]): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) {
    if (!filters.every((matches) => matches(item))) continue
    if (found.length === LIST_ROWS_MAX)
      throw new Fault('BAD_REQUEST', 'too much to list; narrow it down with q')
    found.push(item)
  }
  return found
}

function parseSort<T>(text: string, fields: ReadonlyMap<string, Field<T>>): (a: T, b: T) => number {
  const keys = text.split(',').map((key) => {
    const descending = key.startsWith('-')
    const name = descending ? key.slice(1) : key
    const field = fields.get(name)
    if (!field) throw new Fault('BAD_REQUEST', `sort: ${[...fields.keys()].join(', ')} can be sorted by`)
    return { field, sign: descending ? -1 : 1 }
  })
  return (a, b) => {
    for (const { field, sign } of keys) {
      const [left, right] = [field.of(a), field.of(b)]
      if (left !== right) return left < right ? -sign : sign
    }
    return 0
  }
}

/** Harbor's Link header: previous before the first page and next after the last are left out. */
export function linksOf(
  url: string,
  { page, page_size }: Pick<ListQuery, 'page' | 'page_size'>,
  total: number,
): string {
  const links: string[] = []
  if (page > 1) links.push(linkTo(url, page - 1, page_size, 'prev'))
  if (page * page_size < total) links.push(linkTo(url, page + 1, page_size, 'next'))
  return links.join(', ')
}

function linkTo(url: string, page: number, size: number, relation: string): string {
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  searchParams.set('page', String(page))
  searchParams.set('page_size', String(size))
  // Harbor sends the query unescaped; what could end the link or the header stays escaped.
  const query = [...searchParams].map(([key, value]) => `${plain(key)}=${plain(value)}`).join('&')
  return `<${pathname}?${query}>; rel="${relation}"`
}

function plain(text: string): string {
  return /^[A-Za-z0-9._~=,\-[\]{}() ]*$/.test(text) ? text : encodeURIComponent(text)
}
