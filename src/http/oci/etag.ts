import type { FastifyRequest } from 'fastify'
import type { Digest } from '../../oci/digest.ts'

/** Whether the client says it holds just these bytes already (RFC 9110 section 13.1.2). */
export function isUnchanged(request: FastifyRequest, digest: Digest): boolean {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${digest}"`)
}
