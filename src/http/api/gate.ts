import type { Account } from '../../access/accounts.ts'
import type { Demand } from '../../access/decide.ts'
import type { Principal } from '../../access/principal.ts'
import type { ProjectAction, SystemAction, UserAction } from '../../access/roles.ts'
import type { Project } from '../../projects/projects.ts'
import type { ApiParts } from './parts.ts'

/** What of a request its policy may look at. */
export interface Asked<Params> {
  readonly params: Params
  readonly principal: Principal
  /** X-Is-Resource-Name: a project called by digits is meant by name. */
  readonly isName: boolean
  readonly parts: ApiParts
}

/** What a request needs to be allowed, and the thing it is about where that exists. */
export interface Gated<Target> {
  readonly demand: Demand
  readonly target: Target
}

/**
 * A route's policy: open to anyone without a look at who they are, or the one demand that `decide` answers.
 * There is no route without one.
 */
export type Gate<Params, Target> = 'anyone' | ((asked: Asked<Params>) => Gated<Target | undefined>)

export function onSystem(action: SystemAction): Gate<unknown, undefined> {
  return () => ({ demand: { action, on: 'system' }, target: undefined })
}

export function onProject(action: ProjectAction): Gate<{ project: string }, Project> {
  return ({ params, isName, parts }) => {
    const target = parts.projects.find(params.project, isName)
    return { demand: { action, on: 'project', project: target?.id }, target }
  }
}

export function onUser(action: UserAction): Gate<{ user_id: number }, Account> {
  return ({ params, parts }) => {
    const target = parts.accounts.byNumber(params.user_id)
    return { demand: { action, on: 'user', user: target?.id }, target }
  }
}

/** The caller's own account. */
export const onSelf: Gate<unknown, Account> = ({ principal, parts }) => {
  const target = principal.kind === 'user' ? parts.accounts.byId(principal.id) : undefined
  return { demand: { action: 'user:read', on: 'user', user: target?.id }, target }
}
