import { Fault } from '../errors.ts'
import { isAdmin, isPublic, membershipOf, type Readable } from '../journal/effective.ts'
import { type Acting, actorOf, type Principal } from './principal.ts'
import {
  type ProjectAction,
  PUBLIC_ACTIONS,
  roleMay,
  SYSTEM_ACTIONS,
  type SystemAction,
  USER_ACTIONS,
  type UserAction,
} from './roles.ts'

/** What somebody wants to do, to what. */
export type Demand =
  | { readonly action: SystemAction; readonly on: 'system' }
  /** The user by id; undefined where there is none: answered as somebody else's account is. */
  | { readonly action: UserAction; readonly on: 'user'; readonly user: string | undefined }
  /** The project by id; undefined where there is none: answered as a private one is. */
  | { readonly action: ProjectAction; readonly on: 'project'; readonly project: string | undefined }

/**
 * - `unauthenticated`: somebody has to say who they are, and nothing more is told before
 * - `invisible`: for this caller there is no such thing
 * - `forbidden`: they may know of it, and not do this
 */
export type Decision =
  | { readonly allow: true }
  | { readonly allow: false; readonly reason: 'unauthenticated' | 'invisible' | 'forbidden' }

const ALLOW: Decision = { allow: true }
const UNAUTHENTICATED: Decision = { allow: false, reason: 'unauthenticated' }
const INVISIBLE: Decision = { allow: false, reason: 'invisible' }
const FORBIDDEN: Decision = { allow: false, reason: 'forbidden' }

/**
 * The one decision behind every door. Pure: the same principal, demand and tables give the same answer on
 * every node. What no table allows is refused.
 */
export function decide(principal: Principal, demand: Demand, tables: Readable): Decision {
  const user = principal.kind === 'user' ? tables.get('users', principal.id) : undefined
  if (principal.kind === 'user' && (!user || user.deleted)) return UNAUTHENTICATED
  const admin = principal.kind === 'operator' || (user !== undefined && isAdmin(user))
  switch (demand.on) {
    case 'system': {
      const needed = SYSTEM_ACTIONS[demand.action]
      if (needed === 'anyone' || admin) return ALLOW
      if (!user) return UNAUTHENTICATED
      return needed === 'user' ? ALLOW : FORBIDDEN
    }
    case 'user': {
      if (!user && !admin) return UNAUTHENTICATED
      const self = user !== undefined && user.id === demand.user
      if (!admin) return self && USER_ACTIONS[demand.action] === 'self' ? ALLOW : FORBIDDEN
      const there = demand.user !== undefined && tables.get('users', demand.user)?.deleted === false
      return there ? ALLOW : INVISIBLE
    }
    case 'project':
      return decideProject(user?.id, admin, demand, tables)
    default:
      return FORBIDDEN
  }
}

function decideProject(
  userId: string | undefined,
  admin: boolean,
  demand: Extract<Demand, { on: 'project' }>,
  tables: Readable,
): Decision {
  const stranger = userId === undefined && !admin ? UNAUTHENTICATED : INVISIBLE
  const row = demand.project === undefined ? undefined : tables.get('projects', demand.project)
  if (!row || row.deleted) return stranger
  if (admin) return ALLOW
  const membership = userId === undefined ? undefined : membershipOf(tables, row.id, userId)
  if (membership && roleMay(membership.role, demand.action)) return ALLOW
  const open = isPublic(tables, row)
  if (open && PUBLIC_ACTIONS.has(demand.action)) return ALLOW
  if (userId === undefined) return UNAUTHENTICATED
  return membership || open ? FORBIDDEN : INVISIBLE
}

/** @throws Fault UNAUTHORIZED, NOT_FOUND, FORBIDDEN: the same words whatever the thing is called */
export function demandOrThrow(principal: Principal, demand: Demand, tables: Readable): void {
  const decision = decide(principal, demand, tables)
  if (decision.allow) return
  switch (decision.reason) {
    case 'unauthenticated':
      throw new Fault('UNAUTHORIZED', 'log in first')
    case 'invisible':
      throw new Fault('NOT_FOUND', `there is no such ${demand.on} for you`)
    default:
      throw new Fault('FORBIDDEN', `you may not do this (${demand.action})`, { action: demand.action })
  }
}

/** The principal as the author of a change that needs `demand`. */
export function acting(principal: Principal, demand: Demand): Acting {
  return {
    actor: actorOf(principal),
    permit: (tables) => demandOrThrow(principal, demand, tables),
  }
}
