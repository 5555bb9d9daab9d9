import { createPublicKey, type KeyObject } from 'node:crypto'
import { decodeProtectedHeader, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import { type Knowledge, knowledgeOf } from './knowledge.ts'
import {
  REGISTRY_TOKEN_CHARACTERS_MAX,
  REGISTRY_TOKEN_LEEWAY_SECONDS,
  REGISTRY_TOKEN_SECONDS,
  REGISTRY_TOKEN_SECONDS_MAX,
  REGISTRY_TOKENS_CHECKED_CHARACTERS_MAX,
} from './limits.ts'
import { ANONYMOUS, type Principal } from './principal.ts'
import type { Access } from './scopes.ts'
import type { TokenKey } from './token-key.ts'

/** As in Harbor's tokens. */
const ISSUER = 'harbor-token-issuer'
export const REGISTRY_SERVICE = 'harbor-registry'
const ALGORITHM = 'EdDSA'
/** A header says who signed and how, and nothing else: keys in it are an attack (CVE-2025-24976). */
const HEADER_FIELDS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ'])

const claimsSchema = z.object({
  sub: z.string(),
  iat: z.number().int(),
  nbf: z.number().int(),
  exp: z.number().int(),
  jti: z.string().min(1).max(64),
  cluster: z.string(),
  /** Absent for anonymous. */
  user: z.strictObject({ id: z.string(), epoch: z.number().int().min(1) }).optional(),
  access: z.array(
    z.strictObject({ type: z.string(), name: z.string(), actions: z.array(z.string().max(32)).max(8) }),
  ),
  seen: z.record(z.string().max(16), z.number().int().min(0)),
})

type Claims = z.infer<typeof claimsSchema>

export interface IssuedToken {
  readonly token: string
  readonly expiresInSeconds: number
  /** Milliseconds since 1970. */
  readonly issuedAt: number
}

/** What a token proves, as this node's tables stand now. */
export interface TokenBearer {
  readonly principal: Principal
  /** What it was made for; never more than that, and never more than the bearer may do now. */
  readonly access: readonly Access[]
  /** What its issuer had known of who may do what. */
  readonly seen: Knowledge
}

/** Makes registry tokens that every node of the cluster can check. */
export class TokenIssuer {
  readonly #journal: Journal
  readonly #key: TokenKey
  readonly #clock: Clock
  readonly #random: Random
  readonly #seconds: number

  constructor(parts: { journal: Journal; key: TokenKey; clock: Clock; random: Random; seconds?: number }) {
    this.#journal = parts.journal
    this.#key = parts.key
    this.#clock = parts.clock
    this.#random = parts.random
    this.#seconds = Math.min(parts.seconds ?? REGISTRY_TOKEN_SECONDS, REGISTRY_TOKEN_SECONDS_MAX)
  }

  /** @throws Fault TOKENS_UNAVAILABLE when no other node would take this node's word */
  async issue(principal: Principal, access: readonly Access[]): Promise<IssuedToken> {
    const { tables, node, cluster } = this.#journal
    const row = tables.get('nodes', node)
    if (row?.state !== 'member' || row.tokenKey !== this.#key.publicKey) {
      throw new Fault('TOKENS_UNAVAILABLE', 'this node may not issue tokens', {
        state: row?.state ?? 'unknown',
      })
    }
    const user = principal.kind === 'user' ? tables.get('users', principal.id) : undefined
    if (principal.kind !== 'anonymous' && (!user || user.deleted)) {
      throw new Fault('UNAUTHORIZED', 'log in first')
    }
    const issuedAt = this.#clock.now()
    const now = Math.floor(issuedAt / 1000)
    const claims: Omit<Claims, 'sub' | 'iat' | 'nbf' | 'exp' | 'jti'> = {
      cluster,
      ...(user && { user: { id: user.id, epoch: user.password.epoch } }),
      access: access.map(({ type, name, actions }) => ({ type, name, actions: [...actions] })),
      seen: knowledgeOf(this.#journal.frontier()),
    }
    const token = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: ALGORITHM, kid: node, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setSubject(user?.name ?? '')
      .setAudience([REGISTRY_SERVICE])
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + this.#seconds)
      .setJti(Buffer.from(this.#random.bytes(12)).toString('base64url'))
      .sign(this.#key.privateKey)
    return { token, expiresInSeconds: this.#seconds, issuedAt }
  }
}

interface Checked {
  readonly kid: string
  readonly tokenKey: string
  readonly claims: Claims
}

/**
 * Checks registry tokens of any member against this node's own tables. That a signature holds is remembered;
 * whether its signer still belongs, its user still exists and its time has come is asked at every use.
 */
export class TokenVerifier {
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #checked = new LRUCache<string, Checked>({
    maxSize: REGISTRY_TOKENS_CHECKED_CHARACTERS_MAX,
    sizeCalculation: (_checked, token) => token.length,
  })
  readonly #keys = new LRUCache<string, KeyObject>({ max: 256 })

  constructor(parts: { journal: Journal; clock: Clock }) {
    this.#journal = parts.journal
    this.#clock = parts.clock
  }

  /** @throws Fault TOKEN_INVALID with facts.reason */
  async verify(token: string): Promise<TokenBearer> {
    const known = this.#checked.get(token)
    const checked = known ?? (await this.#check(token))
    if (!known) this.#checked.set(token, checked)
    return this.#judge(checked)
  }

  async #check(token: string): Promise<Checked> {
    if (token.length > REGISTRY_TOKEN_CHARACTERS_MAX) throw invalid('too long')
    const kid = keyIdOf(token)
    const tokenKey = this.#keyOf(kid)
    let payload: JWTPayload
    try {
      payload = (
        await jwtVerify(token, this.#publicKey(tokenKey), {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: REGISTRY_SERVICE,
          clockTolerance: REGISTRY_TOKEN_LEEWAY_SECONDS,
          currentDate: new Date(this.#clock.now()),
          requiredClaims: ['sub', 'iat', 'nbf', 'exp', 'jti'],
        })
      ).payload
    } catch (error) {
      throw invalid((error as { code?: string }).code ?? 'unreadable', error)
    }
    const claims = claimsSchema.safeParse(payload)
    if (!claims.success) throw invalid('claims', claims.error)
    const { iat, exp, cluster } = claims.data
    if (cluster !== this.#journal.cluster) throw invalid('another cluster')
    if (exp - iat > REGISTRY_TOKEN_SECONDS_MAX) throw invalid('lives too long')
    return { kid, tokenKey, claims: claims.data }
  }

  /** Everything that time and the tables may have changed since the signature was checked. */
  #judge({ kid, tokenKey, claims }: Checked): TokenBearer {
    if (this.#keyOf(kid) !== tokenKey) throw invalid('the signer has another key now')
    const now = Math.floor(this.#clock.now() / 1000)
    if (claims.exp + REGISTRY_TOKEN_LEEWAY_SECONDS <= now) throw invalid('expired')
    if (claims.nbf - REGISTRY_TOKEN_LEEWAY_SECONDS > now) throw invalid('not yet valid')
    const { access, seen, user } = claims
    if (!user) return { principal: ANONYMOUS, access, seen }
    const row = this.#journal.tables.get('users', user.id)
    if (!row) throw invalid('unknown user', undefined, { seen })
    if (row.deleted) throw invalid('the user has been deleted')
    if (row.password.epoch > user.epoch) throw invalid('the password has been changed')
    return { principal: { kind: 'user', id: user.id }, access, seen }
  }

  /** The published key of a member; nobody else's word counts. */
  #keyOf(kid: string): string {
    const row = this.#journal.tables.get('nodes', kid)
    if (row?.state !== 'member') throw invalid('the signer is no member')
    return row.tokenKey
  }

  #publicKey(tokenKey: string): KeyObject {
    const known = this.#keys.get(tokenKey)
    if (known) return known
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: tokenKey }, format: 'jwk' })
    this.#keys.set(tokenKey, key)
    return key
  }
}

/** Who claims to have signed; nothing else of a header is looked at, and anything else in it is refused. */
function keyIdOf(token: string): string {
  let header: Record<string, unknown>
  try {
    header = decodeProtectedHeader(token)
  } catch (error) {
    throw invalid('unreadable', error)
  }
  const { alg, kid, typ } = header
  const foreign = Object.keys(header).some((field) => !HEADER_FIELDS.has(field))
  if (foreign || alg !== ALGORITHM || typ !== 'JWT') throw invalid('header')
  if (typeof kid !== 'string' || !/^[A-Za-z0-9]{20,100}$/.test(kid)) throw invalid('key id')
  return kid
}

function invalid(reason: string, cause?: unknown, facts: Record<string, unknown> = {}): Fault {
  return new Fault('TOKEN_INVALID', 'the token is not valid here', { reason, ...facts }, cause)
}
