import { onSystem } from '../api/gate.ts'
import type { ApiParts, Door } from '../api/parts.ts'
import { requirePolicies } from '../api/policy.ts'
import { route } from '../api/route.ts'
import type { RouteModule } from '../server.ts'
import { CONTENT_TYPE, exposition } from './exposition.ts'
import { ledgerMetrics } from './ledger-metrics.ts'

/** Names every member and how it does: for administrators, as the status it is made of. */
const METRICS = route({
  method: 'GET',
  url: '/metrics',
  gate: onSystem('cluster:read'),
  async handle({ parts }) {
    const body = exposition(ledgerMetrics(await parts.topology.status()))
    return { status: 200, body, headers: { 'content-type': CONTENT_TYPE } }
  },
})

/** For Prometheus: with an administrator's name and password (`basic_auth`), or by the control socket. */
export function metricsRoutes(parts: ApiParts, { door }: { readonly door: Door }): RouteModule {
  return (scope) => {
    requirePolicies(scope)
    const { method, url, policy, run } = METRICS
    scope.route({
      method,
      url,
      config: { policy },
      async handler(request, reply) {
        const { status, body, headers = {} } = await run(request, door, parts)
        return reply.code(status).header('cache-control', 'no-store').headers(headers).send(body)
      },
    })
  }
}
