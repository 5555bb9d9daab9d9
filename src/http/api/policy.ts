import type { FastifyInstance } from 'fastify'
import { Fault } from '../../errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Says that somebody thought about who may call the route; without it the server does not start. */
    policy?: 'anyone' | 'decided'
  }
}

/**
 * Default-deny at the level of the router (Dragonfly's CVE-2026-24124 was one route without a check): a route
 * of this scope that declares no policy stops the start.
 * @throws Fault ROUTE_WITHOUT_POLICY while routes are added
 */
export function requirePolicies(scope: FastifyInstance): void {
  scope.addHook('onRoute', ({ method, url, config }) => {
    if (config?.policy) return
    throw new Fault('ROUTE_WITHOUT_POLICY', `${String(method)} ${url} declares no policy`, { url })
  })
}
