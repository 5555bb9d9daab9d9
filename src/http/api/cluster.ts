import { z } from 'zod'
import { INVITE_SECONDS_MAX } from '../../limits.ts'
import { onSystem } from './gate.ts'
import { type Route, route } from './route.ts'

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
    body: z.strictObject({ ttl_seconds: z.number().int().min(1).max(INVITE_SECONDS_MAX) }),
    async handle({ parts, body }) {
      return { status: 201, body: await parts.topology.invite({ ttlSeconds: body.ttl_seconds }) }
    },
  }),

  route({
    method: 'DELETE',
    url: '/cluster/members/:node',
    gate: onSystem('cluster:evict'),
    params: z.strictObject({ node: z.string().regex(/^[A-Za-z0-9-]{1,100}$/, 'is a node’s id or name') }),
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
