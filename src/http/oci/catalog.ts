import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Admitted } from '../../registry/access.ts'
import type { Registry } from '../../registry/registry.ts'
import { nextLink, pageOf } from './paging.ts'

/** GET /v2/_catalog?n=&last= (Docker's; no part of distribution-spec) */
export async function listRepositories(
  registry: Registry,
  admitted: Admitted,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const asked = pageOf(request)
  const { items, next } = await registry.catalog.list(asked, (name) => admitted.mayPull(name))
  if (next !== undefined) reply.header('link', nextLink('/v2/_catalog', next, { n: asked.limit }))
  return reply.type('application/json').send(Buffer.from(JSON.stringify({ repositories: items })))
}
