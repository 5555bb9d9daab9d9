import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { acting, type Demand, decide, demandOrThrow } from '../../access/decide.ts'
import { type Acting, ANONYMOUS, type Principal } from '../../access/principal.ts'
import { Fault } from '../../errors.ts'
import { complaint } from './complaint.ts'
import type { Asked, Gate } from './gate.ts'
import type { ApiParts, Door } from './parts.ts'
import { principalOf, refuseForeignSites } from './principal.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

/** A request that was let in, with everything in it checked. A handler sees nothing else of it. */
export interface Call<Params, Query, Body, Target> extends Asked<Params> {
  readonly query: Query
  readonly body: Body
  readonly target: Target
  /** The caller as an author; what let them in is asked again when the change is written. */
  readonly by: Acting
  readonly may: (demand: Demand) => boolean
  /** @throws Fault as the route's own gate would */
  readonly require: (demand: Demand) => void
  /** X-Resource-Name-In-Location. */
  readonly nameInLocation: boolean
  /** Path and query as they were asked for. */
  readonly url: string
  readonly source: string | undefined
}

export interface Reply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

interface Spec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, Target> {
  readonly method: Method
  /** Below /api/v2.0. */
  readonly url: string
  readonly gate: Gate<z.infer<P>, Target>
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  handle(call: Call<z.infer<P>, z.infer<Q>, z.infer<B>, Target>): Promise<Reply> | Reply
}

/** One route of the API, ready to be mounted: who, may they, is it well-formed, then the handler. */
export interface Route {
  readonly method: Method
  readonly url: string
  readonly policy: 'anyone' | 'decided'
  readonly run: (request: FastifyRequest, door: Door, parts: ApiParts) => Promise<Reply>
}

/** The schema of each part serves as its check and as the handler's type. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, Target>(
  spec: Spec<P, Q, B, Target>,
): Route {
  const { method, url, gate } = spec
  return {
    method,
    url,
    policy: gate === 'anyone' ? 'anyone' : 'decided',
    async run(request, door, parts) {
      if (gate !== 'anyone') refuseForeignSites(request)
      const principal = gate === 'anyone' ? ANONYMOUS : await principalOf(request, door, parts)
      // What is in the path decides what is asked for; the rest is looked at once the caller may ask.
      const params = check(spec.params, request.params, 'path')
      const asked = { params, principal, isName: flag(request, 'x-is-resource-name'), parts }
      const { target, by } = admit(gate, asked, principal, parts)
      const query = check(spec.query, request.query, 'query')
      const body = check(spec.body, request.body, 'body')
      return spec.handle({
        ...asked,
        query,
        body,
        target,
        by,
        may: (demand) => decide(principal, demand, parts.tables).allow,
        require: (demand) => demandOrThrow(principal, demand, parts.tables),
        nameInLocation: flag(request, 'x-resource-name-in-location'),
        url: request.url,
        source: request.ip,
      })
    },
  }
}

function admit<Params, Target>(
  gate: Gate<Params, Target>,
  asked: Asked<Params>,
  principal: Principal,
  parts: ApiParts,
): { target: Target; by: Acting } {
  if (gate === 'anyone') return { target: undefined as Target, by: NOBODY }
  const { demand, target } = gate(asked)
  demandOrThrow(principal, demand, parts.tables)
  if (target === undefined && demand.on !== 'system')
    throw new Fault('NOT_FOUND', `there is no such ${demand.on}`)
  return { target: target as Target, by: acting(principal, demand) }
}

/** The author of nothing: a route that is open to anyone changes nothing. */
const NOBODY: Acting = {
  actor: 'anonymous',
  permit() {
    throw new Fault('FORBIDDEN', 'nothing is written on behalf of anyone')
  },
}

function check<T extends z.ZodType>(
  schema: T | undefined,
  value: unknown,
  part: 'path' | 'query' | 'body',
): z.infer<T> {
  if (!schema) return undefined as z.infer<T>
  const checked = schema.safeParse(value)
  if (checked.success) return checked.data
  throw new Fault('BAD_REQUEST', complaint(checked.error, part))
}

function flag(request: FastifyRequest, header: string): boolean {
  return request.headers[header] === 'true'
}
