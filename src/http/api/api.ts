import type { RouteModule } from '../server.ts'
import { acceptJson } from './body.ts'
import { clusterRoutes } from './cluster.ts'
import { conflictRoutes } from './conflicts.ts'
import { linkRoutes } from './links.ts'
import { memberRoutes } from './members.ts'
import type { ApiParts, Door } from './parts.ts'
import { requirePolicies } from './policy.ts'
import { projectRoutes } from './projects.ts'
import { recoveryRoutes } from './recovery.ts'
import type { Route } from './route.ts'
import { systemRoutes } from './system.ts'
import { API, userRoutes } from './users.ts'

/** Every route of the management API. */
export const API_ROUTES: readonly Route[] = [
  ...systemRoutes,
  ...userRoutes,
  ...projectRoutes,
  ...memberRoutes,
  ...clusterRoutes,
  ...linkRoutes,
  ...recoveryRoutes,
  ...conflictRoutes,
]

/** Harbor's management API v2.0, and what a cluster adds to it, at one door. */
export function apiRoutes(parts: ApiParts, { door }: { readonly door: Door }): RouteModule {
  return (scope) => {
    requirePolicies(scope)
    acceptJson(scope)
    for (const { method, url, policy, run } of API_ROUTES) {
      scope.route({
        method,
        url: `${API}${url}`,
        config: { policy },
        async handler(request, reply) {
          reply.header('cache-control', 'no-store')
          const { status, body, headers = {} } = await run(request, door, parts)
          return reply.code(status).headers(headers).send(body)
        },
      })
    }
  }
}
