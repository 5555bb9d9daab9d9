import { onSystem } from './gate.ts'
import { type Route, route } from './route.ts'
import { time } from './shapes.ts'

export const systemRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/ping',
    gate: 'anyone',
    handle: () => ({ status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'Pong' }),
  }),

  route({
    method: 'GET',
    url: '/health',
    gate: 'anyone',
    async handle({ parts }) {
      return { status: 200, body: await parts.health.report() }
    },
  }),

  route({
    method: 'GET',
    url: '/systeminfo',
    gate: onSystem('system-info:read'),
    handle({ parts, principal }) {
      const forAll = { auth_mode: 'db_auth', self_registration: false, primary_auth_mode: false }
      // What version runs is nobody's business who has not logged in.
      const forUsers = {
        harbor_version: `flotilla-${parts.version}`,
        project_creation_restriction: 'everyone',
        read_only: false,
        has_ca_root: false,
        ...(parts.externalUrl !== null && {
          external_url: parts.externalUrl,
          registry_url: new URL(parts.externalUrl).host,
        }),
        current_time: time(parts.clock.now()),
      }
      return { status: 200, body: principal.kind === 'anonymous' ? forAll : { ...forAll, ...forUsers } }
    },
  }),
]
