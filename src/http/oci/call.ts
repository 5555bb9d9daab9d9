import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Admitted } from '../../registry/access.ts'
import type { Registry } from '../../registry/registry.ts'

/** A request that was let in. */
export interface Call {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly registry: Registry
  readonly name: RepositoryName
  /** What stood after the kind in the path. */
  readonly rest: string
  readonly admitted: Admitted
  /** Aborted when the client goes away before it has its answer. */
  readonly gone: AbortSignal
}

export type Handler = (call: Call) => Promise<unknown>

/**
 * A query parameter that may be given once.
 * @throws Fault QUERY_INVALID
 */
export function single(request: FastifyRequest, parameter: string): string | undefined {
  const value = (request.query as Record<string, string | string[] | undefined>)[parameter]
  if (Array.isArray(value)) throw new Fault('QUERY_INVALID', `${parameter} may be given once only`)
  return value
}

/** A query parameter that may be given many times. */
export function repeated(request: FastifyRequest, parameter: string): string[] {
  const value = (request.query as Record<string, string | string[] | undefined>)[parameter]
  return value === undefined ? [] : [value].flat()
}

export function signalOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(clientGone())
  })
  return gone.signal
}

/** Carries the system's own code for it, so that nobody takes it for a failure. */
export function clientGone(): Error {
  return Object.assign(new Error('the client has gone'), { code: 'ECONNRESET' })
}
