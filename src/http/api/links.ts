import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { linkFields } from '../../journal/kinds.ts'
import { ANY_LINK, linkBetween } from '../../journal/link-policy.ts'
import { onSystem } from './gate.ts'
import { type Route, route } from './route.ts'

const site = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a site’s name')
const pair = z.strictObject({ site, other: site })
const settings = z.strictObject({
  rate: linkFields.rate.optional(),
  hours: linkFields.hours.optional(),
  budget: linkFields.budget.optional(),
  forbidden: linkFields.forbidden.optional(),
})
const NOTHING_SAID = { rate: null, hours: null, budget: null, forbidden: null }

/** Beyond Harbor: what may go over the links between sites. Bodies are those of `Topology`, field by field. */
export const linkRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/cluster/links',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      return { status: 200, body: await parts.topology.links() }
    },
  }),

  /** Every pair of sites that nothing was said of. */
  route({
    method: 'PUT',
    url: '/cluster/links/default',
    gate: onSystem('cluster:set-link'),
    body: settings,
    async handle({ parts, body, by }) {
      await parts.topology.setLink(ANY_LINK, body, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'DELETE',
    url: '/cluster/links/default',
    gate: onSystem('cluster:set-link'),
    async handle({ parts, by }) {
      await parts.topology.setLink(ANY_LINK, NOTHING_SAID, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'PUT',
    url: '/cluster/links/:site/:other',
    gate: onSystem('cluster:set-link'),
    params: pair,
    body: settings,
    async handle({ parts, params, body, by }) {
      await parts.topology.setLink(linkOf(params), body, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'DELETE',
    url: '/cluster/links/:site/:other',
    gate: onSystem('cluster:set-link'),
    params: pair,
    async handle({ parts, params, by }) {
      await parts.topology.setLink(linkOf(params), NOTHING_SAID, by)
      return { status: 200 }
    },
  }),
]

function linkOf({ site, other }: z.infer<typeof pair>): string {
  if (site === other)
    throw new Fault('BAD_REQUEST', 'a link is between two sites; within one nothing is bounded')
  return linkBetween(site, other)
}
