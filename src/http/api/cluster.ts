import { z } from 'zod'
import { onSystem } from './gate.ts'
import { type Route, route } from './route.ts'

/** Shorter, and nobody types it in time; longer, and it lies around (the research says 24 h at most). */
const INVITE_SECONDS_MIN = 60
const INVITE_SECONDS_MAX = 24 * 3600

/** Beyond Harbor: bodies are those of `Topology`, field by field. */
export const clusterRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/cluster',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      return { status: 200, body: await parts.topology.status() }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/invites',
    gate: onSystem('cluster:invite'),
    body: z.strictObject({ ttlSeconds: z.number().int().min(INVITE_SECONDS_MIN).max(INVITE_SECONDS_MAX) }),
    async handle({ parts, body }) {
      return { status: 201, body: await parts.topology.invite(body) }
    },
  }),

  route({
    method: 'DELETE',
    url: '/cluster/members/:node',
    gate: onSystem('cluster:evict'),
    params: z.strictObject({ node: z.string().regex(/^[A-Za-z0-9]{20,100}$/, 'is a node id') }),
    async handle({ parts, params }) {
      await parts.topology.evict(params.node)
      return { status: 200 }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/leave',
    gate: onSystem('cluster:leave'),
    async handle({ parts }) {
      await parts.topology.leave()
      return { status: 200 }
    },
  }),
]
