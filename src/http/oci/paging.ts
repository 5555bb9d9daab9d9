import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { PageRequest } from '../../registry/page.ts'
import { single } from './call.ts'

/**
 * `n` and `last` of a request. Any whole number is taken, however large: the registry has its own bound.
 * @throws Fault PAGINATION_NUMBER_INVALID
 */
export function pageOf(request: FastifyRequest): PageRequest {
  const n = single(request, 'n')
  const last = single(request, 'last')
  if (n !== undefined && !/^\d{1,15}$/.test(n)) {
    throw new Fault('PAGINATION_NUMBER_INVALID', 'n is a whole number, 0 or more', { n: n.slice(0, 40) })
  }
  return {
    limit: n === undefined ? undefined : Number(n),
    last: last === undefined || last === '' ? undefined : last,
  }
}

/** Value of the Link header that leads to the next page (RFC 5988, as the specification asks). */
export function nextLink(
  path: string,
  next: string,
  parameters: Readonly<Record<string, string | number | undefined>>,
): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(key, String(value))
  }
  query.set('last', next)
  return `<${path}?${query.toString()}>; rel="next"`
}
