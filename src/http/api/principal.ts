import type { FastifyRequest } from 'fastify'
import { parseAuthorization } from '../../access/authorization-header.ts'
import { ANONYMOUS, OPERATOR, type Principal } from '../../access/principal.ts'
import { Fault } from '../../errors.ts'
import type { ApiParts, Door } from './parts.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/**
 * Who asks. A credential that is wrong is refused, never taken for none.
 * @throws Fault UNAUTHORIZED, TOO_MANY_REQUESTS
 */
export async function principalOf(
  request: FastifyRequest,
  door: Door,
  { logins }: Pick<ApiParts, 'logins'>,
): Promise<Principal> {
  if (door === 'control') return OPERATOR
  const authorization = parseAuthorization(request.headers.authorization)
  if (authorization.scheme === 'none') return ANONYMOUS
  const row = authorization.scheme === 'basic' ? await logins.check(authorization, request.ip) : undefined
  // The same answer for nobody's name, a wrong password and a token made for the registry's door.
  if (!row) throw new Fault('UNAUTHORIZED', 'the user name or password is wrong')
  return { kind: 'user', id: row.id }
}

/**
 * A browser adds a password it remembers to what any page makes it send; it also says which page that was.
 * @throws Fault FORBIDDEN
 */
export function refuseForeignSites(request: FastifyRequest): void {
  if (SAFE_METHODS.has(request.method)) return
  const site = request.headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return
  throw new Fault('FORBIDDEN', 'changes are not taken from another site’s page')
}
