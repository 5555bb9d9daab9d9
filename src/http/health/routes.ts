import { requirePolicies } from '../api/policy.ts'
import type { RouteModule } from '../server.ts'
import type { Health } from './health.ts'

/** For what watches the process: `/livez` says that it runs, `/readyz` that it may be sent requests. */
export function healthRoutes({ health }: { readonly health: Health }): RouteModule {
  return (scope) => {
    requirePolicies(scope)
    const open = { config: { policy: 'anyone' as const } }
    scope.get('/livez', open, async (_request, reply) => reply.type('text/plain').send('ok\n'))
    scope.get('/readyz', open, async (_request, reply) => {
      const report = await health.report()
      return reply.code(report.status === 'healthy' ? 200 : 503).send(report)
    })
  }
}
