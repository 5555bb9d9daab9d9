import { createHash } from 'node:crypto'
import type { Tables } from './journal.ts'
import { claimKey, foldName } from './names.ts'
import { residencyOf } from './placement-policy.ts'
import { allAgree, winner } from './register.ts'
import type { Claim, ProjectRow, RoleId, UserRow } from './rows.ts'

/**
 * What merged rows mean to whoever reads them. Sites that wrote apart may leave two claims to a name or two
 * roles for a member; here, in one place, stands which one counts. Everything is pure and cheap.
 */
export type Readable = Pick<Tables, 'get'>

/** Roles from the weakest to the strongest: what a conflict between grants is settled by. */
const WEAKEST_FIRST: readonly RoleId[] = [5, 3, 2, 4, 1]
/** Hexadecimal digits that tell the loser of a name from its holder; more only where two losers share them. */
const SUFFIX_DIGITS = 4

export function userByNumber(tables: Readable, number: number): UserRow | undefined {
  return living(tables, 'users', tables.get('claims', claimKey('user-number', number))?.[0])
}

export function projectByNumber(tables: Readable, number: number): ProjectRow | undefined {
  return living(tables, 'projects', tables.get('claims', claimKey('project-number', number))?.[0])
}

/** The account somebody means by `name`: its holder, or with `name~xxxx` one that lost the name to it. */
export function userByName(tables: Readable, name: string): UserRow | undefined {
  return living(tables, 'users', claimant(tables, 'user-name', name))
}

/** The project meant by `name`, as `userByName`. */
export function projectByName(tables: Readable, name: string): ProjectRow | undefined {
  return living(tables, 'projects', claimant(tables, 'project-name', name))
}

/** What an account is called: its name while it holds it, else the name with a suffix of its own. */
export function userName(tables: Readable, row: UserRow): string {
  return shown(tables.get('claims', claimKey('user-name', row.name)), row)
}

export function projectName(tables: Readable, row: ProjectRow): string {
  return shown(tables.get('claims', claimKey('project-name', row.name)), row)
}

export function isAdmin(row: UserRow): boolean {
  return !row.deleted && allAgree(row.admin)
}

/** Restrict-wins, and never for a project that lost its name: nobody may pull one project and get another. */
export function isPublic(tables: Readable, row: ProjectRow): boolean {
  const flag = Object.hasOwn(row.metadata, 'public') ? row.metadata['public'] : undefined
  if (!flag || flag.length === 0 || !flag.every((one) => one.value === 'true')) return false
  return tables.get('claims', claimKey('project-name', row.name))?.[0]?.id === row.id
}

/** Harbor's metadata as it counts: the winner of each key, `public` and `residency` by their own rules. */
export function metadataOf(tables: Readable, row: ProjectRow): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const [key, register] of Object.entries(row.metadata)) {
    const value = winner(register)
    if (value !== undefined) values.set(key, value)
  }
  const sites = residencyOf(row)
  if (sites && sites.size > 0) values.set('residency', [...sites].join(','))
  return values.set('public', String(isPublic(tables, row)))
}

export interface Membership {
  readonly role: RoleId
  readonly number: number
}

/** The grant that counts: the weakest where sites granted unaware of each other. */
export function membershipOf(tables: Readable, projectId: string, userId: string): Membership | undefined {
  const grants = tables.get('members', `${projectId}/${userId}`)?.grants
  return grants?.map((one) => one.value).reduce(weaker, undefined)
}

function weaker(a: Membership | undefined, b: Membership): Membership {
  if (a === undefined) return b
  return WEAKEST_FIRST.indexOf(b.role) < WEAKEST_FIRST.indexOf(a.role) ? b : a
}

function living<T extends 'users' | 'projects'>(
  tables: Readable,
  table: T,
  claim: Pick<Claim, 'id'> | undefined,
): (T extends 'users' ? UserRow : ProjectRow) | undefined {
  const row = claim && tables.get(table, claim.id)
  return row && !row.deleted ? (row as T extends 'users' ? UserRow : ProjectRow) : undefined
}

function claimant(tables: Readable, what: 'user-name' | 'project-name', name: string): Claim | undefined {
  const at = name.lastIndexOf('~')
  const claims = tables.get('claims', claimKey(what, at < 0 ? name : name.slice(0, at)))
  if (at < 0 || !claims) return claims?.[0]
  const suffix = foldName(name.slice(at + 1))
  return claims.slice(1).find((claim) => suffixOf(claims, claim.id) === suffix)
}

function shown(claims: readonly Claim[] | undefined, row: { id: string; name: string }): string {
  if (!claims || claims[0]?.id === row.id || !claims.some((claim) => claim.id === row.id)) return row.name
  return `${row.name}~${suffixOf(claims, row.id)}`
}

function suffixOf(claims: readonly Claim[], id: string): string {
  const own = fingerprint(id)
  const others = claims.slice(1).filter((claim) => claim.id !== id)
  let digits = SUFFIX_DIGITS
  while (
    digits < own.length &&
    others.some((claim) => fingerprint(claim.id).startsWith(own.slice(0, digits)))
  ) {
    digits += 1
  }
  return own.slice(0, digits)
}

function fingerprint(id: string): string {
  return createHash('sha256').update(id).digest('hex')
}
