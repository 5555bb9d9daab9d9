import { z } from 'zod'
import { isStorageFault } from '../../errors.ts'
import { nodeRole } from '../../journal/kinds.ts'
import { INVITE_SECONDS_MAX, MEMBERSHIP_DAYS_DEFAULT, MEMBERSHIP_DAYS_MAX } from '../../limits.ts'
import { parseDigest } from '../../oci/digest.ts'
import { onSystem } from './gate.ts'
import { type Route, route } from './route.ts'

const node = z.strictObject({
  node: z.string().regex(/^[A-Za-z0-9-]{1,100}$/, 'must be a node’s id or name'),
})
/** How many entries of a log. */
const entries = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const TENANT = /^[a-z0-9-]{1,64}$/

/** Beyond Harbor: bodies are those of `Topology`, field by field; the status tells of open conflicts and of the disk as well. */
export const clusterRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/cluster',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      // Where the records of conflicts are damaged the rest can still be told, and that most of all.
      const open = parts.conflicts.countOpen().catch((error: unknown) => {
        if (!isStorageFault(error)) throw error
        return null
      })
      const [status, conflicts, storage] = await Promise.all([
        parts.topology.status(),
        open,
        parts.storage.facts(),
      ])
      return { status: 200, body: { ...status, ...(conflicts && { conflicts }), storage } }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/invites',
    gate: onSystem('cluster:invite'),
    body: z.strictObject({
      ttl_seconds: z.number().int().min(1).max(INVITE_SECONDS_MAX),
      role: nodeRole.default('anchor'),
      scope: z.array(z.string().regex(TENANT)).min(1).max(64).nullable().default(null),
      approval: z.boolean().default(false),
      /** Absent: what the role asks for. */
      days: z.number().int().min(1).max(MEMBERSHIP_DAYS_MAX).nullable().optional(),
    }),
    async handle({ parts, body, by }) {
      const { ttl_seconds: ttlSeconds, role, scope, approval } = body
      const days = body.days === undefined ? MEMBERSHIP_DAYS_DEFAULT[role] : body.days
      const request = { ttlSeconds, role, scope, approval, days }
      return { status: 201, body: await parts.topology.invite(request, by) }
    },
  }),

  route({
    method: 'GET',
    url: '/cluster/invites',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      return { status: 200, body: await parts.topology.invites() }
    },
  }),

  route({
    method: 'DELETE',
    url: '/cluster/invites/:invite',
    gate: onSystem('cluster:invite'),
    params: z.strictObject({ invite: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be an invite’s id') }),
    async handle({ parts, params, by }) {
      await parts.topology.withdrawInvite(params.invite, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/members/:node/approval',
    gate: onSystem('cluster:approve'),
    params: node,
    async handle({ parts, params, by }) {
      await parts.topology.approve(params.node, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'GET',
    url: '/cluster/members/:node/review',
    gate: onSystem('cluster:evict'),
    params: node,
    query: z.strictObject({ since: z.iso.datetime({ offset: true }) }),
    async handle({ parts, params, query }) {
      const since = Date.parse(query.since)
      return { status: 200, body: await parts.topology.review(params.node, { since }) }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/members/:node/eviction',
    gate: onSystem('cluster:evict'),
    params: node,
    body: z.strictObject({
      compromised: z.boolean().default(false),
      accept_until: z
        .union([z.literal('now'), entries, z.record(z.string().max(300), entries)])
        .nullable()
        .default(null),
      reason: z
        .string()
        .max(200)
        .regex(/^\P{Cc}*$/u, 'may not hold control characters')
        .default(''),
    }),
    async handle({ parts, params, body, by }) {
      const { compromised, accept_until: acceptUntil, reason } = body
      await parts.topology.evict(params.node, { compromised, acceptUntil, reason }, by)
      return { status: 200 }
    },
  }),

  /** The plain form: graceful, nothing taken back. */
  route({
    method: 'DELETE',
    url: '/cluster/members/:node',
    gate: onSystem('cluster:evict'),
    params: node,
    async handle({ parts, params, by }) {
      await parts.topology.evict(params.node, { compromised: false, acceptUntil: null, reason: '' }, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/leave',
    gate: onSystem('cluster:leave'),
    body: z.strictObject({ force: z.boolean().default(false) }).default({ force: false }),
    async handle({ parts, body, by }) {
      await parts.topology.leave(by, body.force)
      return { status: 200 }
    },
  }),

  route({
    method: 'GET',
    url: '/cluster/handover',
    gate: onSystem('cluster:leave'),
    async handle({ parts }) {
      return { status: 200, body: parts.topology.handover() }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/handover',
    gate: onSystem('cluster:leave'),
    async handle({ parts }) {
      return { status: 202, body: parts.topology.handOver() }
    },
  }),

  route({
    method: 'GET',
    url: '/cluster/storage-check',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      return { status: 200, body: parts.topology.checkStorage(false) }
    },
  }),

  /** Bodies are those of `PlacementView`. */
  route({
    method: 'GET',
    url: '/cluster/placement',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      return { status: 200, body: await parts.placement.status() }
    },
  }),

  route({
    method: 'GET',
    url: '/cluster/blobs/:digest',
    gate: onSystem('cluster:read'),
    params: z.strictObject({ digest: z.string().max(160) }),
    async handle({ parts, params }) {
      return { status: 200, body: await parts.placement.where(parseDigest(params.digest)) }
    },
  }),

  /** Begins one; how it goes is asked for by GET. */
  route({
    method: 'POST',
    url: '/cluster/storage-check',
    gate: onSystem('cluster:read'),
    async handle({ parts }) {
      return { status: 202, body: parts.topology.checkStorage(true) }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/network-key',
    gate: onSystem('cluster:rotate-key'),
    async handle({ parts, by }) {
      return { status: 201, body: { key: await parts.topology.rotateNetworkKey(by) } }
    },
  }),
]
