import { z } from 'zod'
import { acting } from '../../access/decide.ts'
import { kinds } from '../../journal/kinds.ts'
import { conflictShape } from './conflict-shape.ts'
import { onProject, onSystem } from './gate.ts'
import { linksOf, listQuery } from './list.ts'
import type { ApiParts } from './parts.ts'
import { one as project } from './projects.ts'
import { type Reply, type Route, route } from './route.ts'

/** What a node says of itself is never listed. */
const LISTED = Object.keys(kinds)
  .filter((kind) => kind !== 'node.announced')
  .sort()
const isListed = (kind: string) => LISTED.includes(kind)

const flag = z.enum(['true', 'false']).transform((value) => value === 'true')
const query = listQuery.omit({ q: true, sort: true }).extend({
  kind: z
    .string()
    .refine(isListed, { error: `is none of the kinds of records that may be listed: ${LISTED.join(', ')}` })
    .optional(),
  outcome: z.enum(['refused', 'lost']).optional(),
  /** A site's name, or a node's name or id. */
  site: z.string().min(1).max(255).optional(),
  since: z.iso.datetime({ offset: true }).transform(Date.parse).optional(),
  open: flag.optional(),
})
type Query = z.infer<typeof query>

const conflict = z.strictObject({
  conflict: z.string().regex(/^[A-Za-z0-9_-]{22}$/, 'must be a conflict’s id'),
})
const repair = z.strictObject({
  action: z.enum(['approve', 'take', 'keep', 'rename']),
  name: z.string().min(1).max(255).optional(),
})

/**
 * Beyond Harbor: what was lost in merging. Whoever lists it may try to mend it; whether they may is asked about the
 * thing itself, as at its own route.
 */
export const conflictRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/conflicts',
    gate: onSystem('conflict:list'),
    query,
    handle: (call) => page(call.parts, call.query, call.url),
  }),

  route({
    method: 'GET',
    url: '/projects/:project/conflicts',
    gate: onProject('conflict:list'),
    params: project,
    query,
    handle: (call) => page(call.parts, call.query, call.url, call.target.id),
  }),

  route({
    method: 'POST',
    url: '/conflicts/:conflict/repair',
    gate: onSystem('conflict:repair'),
    params: conflict,
    body: repair,
    async handle({ parts, params, body, principal }) {
      await parts.repairs.repair(params.conflict, body, (demand) => acting(principal, demand))
      return { status: 200 }
    },
  }),

  route({
    method: 'POST',
    url: '/projects/:project/conflicts/:conflict/repair',
    gate: onProject('conflict:repair'),
    params: project.extend(conflict.shape),
    body: repair,
    async handle({ parts, params, body, principal, target }) {
      const request = { ...body, project: target.id }
      await parts.repairs.repair(params.conflict, request, (demand) => acting(principal, demand))
      return { status: 200 }
    },
  }),
]

/** Newest first. The whole list is read for it, never kept. */
async function page({ conflicts }: ApiParts, asked: Query, url: string, project?: string): Promise<Reply> {
  const { page: number, page_size: limit, ...filters } = asked
  const { total, items } = await conflicts.list(
    { ...filters, project },
    { offset: (number - 1) * limit, limit },
  )
  const link = linksOf(url, asked, total)
  return {
    status: 200,
    body: items.map(conflictShape),
    headers: { 'x-total-count': String(total), ...(link !== '' && { link }) },
  }
}
