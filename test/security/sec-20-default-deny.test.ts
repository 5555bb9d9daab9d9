import { afterAll, expect, test } from 'vitest'
import { API_ROUTES } from '../../src/http/api/api.ts'
import { requirePolicies } from '../../src/http/api/policy.ts'
import { HttpServer, type RouteModule } from '../../src/http/server.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { systemTimers } from '../../src/runtime/timers.ts'
import { founded } from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

/** Dragonfly's CVE-2026-24124 was a route nobody had put a check before; CVE-2023-27584 a key in the source. */
const sites = new Sites(new HandClock())
afterAll(() => sites.close())

function server(module: RouteModule): HttpServer {
  const parts = { routes: [module], logger: silentLogger, random: systemRandom, timers: systemTimers }
  const one = new HttpServer(parts, { host: '127.0.0.1', port: 0 })
  sites.onClose(() => one.stop())
  return one
}

test('sec-20: a server with a route that declares no policy does not start', async () => {
  const forgotten = server((scope) => {
    requirePolicies(scope)
    scope.get('/api/v2.0/jobs', async () => 'everything')
  })
  await expect(forgotten.start()).rejects.toMatchObject({ code: 'ROUTE_WITHOUT_POLICY' })
  expect(() => forgotten.address).toThrow()
  const declared = server((scope) => {
    requirePolicies(scope)
    scope.get('/api/v2.0/jobs', { config: { policy: 'decided' } }, async () => 'something')
  })
  await declared.start()
  expect(declared.address.port).toBeGreaterThan(0)
})

test('sec-20: of the API only a ping and the health are anyone’s without a look', () => {
  const open = API_ROUTES.filter(({ policy }) => policy === 'anyone').map(
    ({ method, url }) => `${method} ${url}`,
  )
  expect(open).toEqual(['GET /ping', 'GET /health'])
})

test('sec-20: a token key is a node’s own, in every cluster', async () => {
  const [one, two] = [await founded(sites), await founded(sites)]
  const sibling = await sites.admit(one.site)
  const keys = [one.site, two.site, sibling].map(({ key }) => key.publicKey)
  expect(new Set(keys).size).toBe(3)
})
