import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { parseAuthorization } from '../../access/authorization-header.ts'
import type { Credentials, Logins } from '../../access/logins.ts'
import { ANONYMOUS, type Principal } from '../../access/principal.ts'
import { accessTo, parseScopes } from '../../access/scopes.ts'
import { REGISTRY_SERVICE, type TokenIssuer } from '../../access/tokens.ts'
import { Fault } from '../../errors.ts'
import type { Tables } from '../../journal/journal.ts'
import { requirePolicies } from '../api/policy.ts'
import type { RouteModule } from '../server.ts'

export interface TokenRoutesParts {
  readonly tables: Tables
  readonly logins: Logins
  readonly issuer: TokenIssuer
}

/** A name, a password and a few scopes. */
const FORM_BYTES_MAX = 16 * 1024

const texts = z.union([z.string().transform((text) => [text]), z.array(z.string())]).default([])
const asked = z.object({ service: z.string().optional(), scope: texts })
const form = asked.extend({
  grant_type: z.string(),
  username: z.string().max(300).optional(),
  password: z.string().max(1024).optional(),
})

/**
 * `/service/token`: a token for the registry's door, as docker, containerd and the rest ask for it, by GET
 * with Basic or by an OAuth 2 form. It says all its bearer may do with what is in the scopes, which may be
 * nothing.
 */
export function tokenRoutes({ tables, logins, issuer }: TokenRoutesParts): RouteModule {
  async function answer(principal: Principal, { service, scope }: z.infer<typeof asked>) {
    if (service !== REGISTRY_SERVICE)
      throw new Fault('BAD_REQUEST', `there is no service but ${REGISTRY_SERVICE}`)
    const scopes = parseScopes(scope)
    if (principal.kind === 'anonymous' && scopes.length === 0) throw unauthorized('log in first')
    const access = accessTo(scopes, principal, tables)
    const { token, expiresInSeconds, issuedAt } = await issuer.issue(principal, access)
    return {
      body: {
        token,
        // The same under OAuth 2's name: clients of either kind find it.
        access_token: token,
        expires_in: expiresInSeconds,
        issued_at: new Date(issuedAt).toISOString(),
      },
      granted: access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' '),
    }
  }

  async function login(credentials: Credentials, request: FastifyRequest): Promise<Principal> {
    const row = await logins.check(credentials, request.ip)
    if (!row) throw unauthorized('the user name or password is wrong')
    return { kind: 'user', id: row.id }
  }

  return (scope) => {
    requirePolicies(scope)
    acceptForms(scope)
    scope.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    scope.get('/service/token', { config: { policy: 'decided' } }, async (request) => {
      const query = read(asked, request.query)
      const authorization = parseAuthorization(request.headers.authorization)
      switch (authorization.scheme) {
        case 'none':
          return (await answer(ANONYMOUS, query)).body
        case 'basic':
          return (await answer(await login(authorization, request), query)).body
        default:
          throw unauthorized('the user name or password is wrong')
      }
    })

    scope.post('/service/token', { config: { policy: 'decided' } }, async (request) => {
      const body = read(form, request.body)
      if (body.grant_type !== 'password') {
        throw new Fault('BAD_REQUEST', 'of the grant types only password is supported')
      }
      const { username: name = '', password = '' } = body
      const { body: token, granted } = await answer(await login({ name, password }, request), body)
      return { ...token, scope: granted, token_type: 'Bearer' }
    })
  }
}

function acceptForms(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: FORM_BYTES_MAX },
    (_request, body, done) => {
      const fields = new URLSearchParams(String(body))
      done(null, Object.fromEntries([...new Set(fields.keys())].map((key) => [key, one(fields.getAll(key))])))
    },
  )
}

function one(values: string[]): string | string[] {
  return values.length === 1 ? (values[0] as string) : values
}

function read<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const checked = schema.safeParse(value)
  if (!checked.success) throw new Fault('BAD_REQUEST', 'the request for a token is not well-formed')
  return checked.data
}

function unauthorized(message: string): Fault {
  return new Fault('UNAUTHORIZED', message, { challenge: 'Basic realm="harbor"' })
}
