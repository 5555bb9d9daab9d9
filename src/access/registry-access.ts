import { Fault, isFault } from '../errors.ts'
import type { Readable } from '../journal/effective.ts'
import type { Admitted, Need, RegistryAccess, RegistryRequest } from '../registry/access.ts'
import { parseAuthorization } from './authorization-header.ts'
import { challengeFor } from './challenge.ts'
import { decide } from './decide.ts'
import type { CatchingUp, Knowledge } from './knowledge.ts'
import type { Logins } from './logins.ts'
import { ANONYMOUS, actorOf, type Principal } from './principal.ts'
import { type Access, mayUse, type RepositoryAction } from './scopes.ts'
import type { TokenBearer, TokenVerifier } from './tokens.ts'

/** Who came in, and what their token holds; without a token it is only the tables that limit them. */
interface Caller {
  readonly principal: Principal
  readonly token: TokenBearer | undefined
}

/** The registry's own door: Basic and Bearer, and Harbor's challenges. */
export class RegistryDoor implements RegistryAccess {
  readonly #tables: Readable
  readonly #logins: Logins
  readonly #tokens: TokenVerifier
  readonly #catchingUp: CatchingUp

  constructor(parts: { tables: Readable; logins: Logins; tokens: TokenVerifier; catchingUp: CatchingUp }) {
    this.#tables = parts.tables
    this.#logins = parts.logins
    this.#tokens = parts.tokens
    this.#catchingUp = parts.catchingUp
  }

  async authorize(request: RegistryRequest, needs: readonly Need[]): Promise<Admitted> {
    const refuse = () =>
      new Fault('UNAUTHORIZED', 'authentication required', { challenge: challengeFor(request, needs) })
    const caller = await this.#identify(request)
    if (!caller) throw refuse()
    const denied = () => needs.filter((need) => !this.#may(caller.principal, need))
    // The token's issuer may have known of a right this node has yet to hear of.
    const seen = caller.token?.seen
    if (seen && denied().length > 0) await this.#catchingUp.until(seen)
    const [first] = denied()
    if (first) throw caller.principal.kind === 'anonymous' ? refuse() : refusal(first)
    if (needs.some((need) => !this.#covers(caller.token, need))) throw refuse()
    return {
      principal: actorOf(caller.principal),
      mayPull: (repository) => {
        const need = { repository, action: 'pull' } as const
        return this.#covers(caller.token, need) && this.#may(caller.principal, need)
      },
    }
  }

  /** Undefined for whoever has not said who they are, or not rightly. */
  async #identify(request: RegistryRequest): Promise<Caller | undefined> {
    const authorization = parseAuthorization(request.authorization)
    switch (authorization.scheme) {
      case 'basic': {
        const row = await this.#logins.check(authorization, request.source)
        return row && { principal: { kind: 'user', id: row.id }, token: undefined }
      }
      case 'bearer': {
        const token = await this.#bearer(authorization.token)
        return token && { principal: token.principal, token }
      }
      default:
        return undefined
    }
  }

  async #bearer(token: string): Promise<TokenBearer | undefined> {
    try {
      return await this.#verifyOnceCaughtUp(token)
    } catch (error) {
      if (isFault(error, 'TOKEN_INVALID')) return undefined
      throw error
    }
  }

  async #verifyOnceCaughtUp(token: string): Promise<TokenBearer> {
    try {
      return await this.#tokens.verify(token)
    } catch (error) {
      // A signed token of a user this node does not know yet.
      const seen = isFault(error, 'TOKEN_INVALID')
        ? (error.facts['seen'] as Knowledge | undefined)
        : undefined
      if (!seen || !(await this.#catchingUp.until(seen))) throw error
      return this.#tokens.verify(token)
    }
  }

  /** A token narrows what its bearer may do, but not below what is open to whoever comes with none. */
  #covers(token: TokenBearer | undefined, need: Need): boolean {
    if (covers(token, need)) return true
    return 'repository' in need && need.action === 'pull' && this.#may(ANONYMOUS, need)
  }

  #may(principal: Principal, need: Need): boolean {
    if ('ping' in need) return principal.kind !== 'anonymous'
    if ('catalog' in need) {
      return decide(principal, { action: 'catalog:list', on: 'system' }, this.#tables).allow
    }
    return mayUse(principal, need.repository, need.action, this.#tables)
  }
}

/** Whether the token was made for this; whoever came with a password needs none. */
function covers(token: TokenBearer | undefined, need: Need): boolean {
  if (!token || 'ping' in need) return true
  if ('catalog' in need) return holds(token.access, 'registry', 'catalog', '*')
  return holds(token.access, 'repository', need.repository, need.action)
}

function holds(
  access: readonly Access[],
  type: string,
  name: string,
  action: RepositoryAction | '*',
): boolean {
  return access.some((one) => one.type === type && one.name === name && one.actions.includes(action))
}

/** The same words whether there is no such project or only not for this caller. */
function refusal(need: Need): Fault {
  return new Fault(
    'DENIED',
    'requested access to the resource is denied: there is no such project, or no role in it that allows this',
    'repository' in need ? { repository: need.repository, action: need.action } : {},
  )
}
