import { Fault } from '../errors.ts'
import { projectByName, type Readable } from '../journal/effective.ts'
import { isRepositoryName } from '../oci/name.ts'
import { decide } from './decide.ts'
import { REGISTRY_TOKEN_SCOPES_MAX } from './limits.ts'
import type { Principal } from './principal.ts'

/** One entry of a registry token's `access` claim. */
export interface Access {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** What can be done to a repository through the registry's own door, and the right each needs. */
const REPOSITORY_ACTIONS = ['pull', 'push', 'delete'] as const
export type RepositoryAction = (typeof REPOSITORY_ACTIONS)[number]

/**
 * Scopes as clients send them: repeated, or several in one with spaces between.
 * @throws Fault BAD_REQUEST for more than a token holds
 */
export function parseScopes(texts: readonly string[]): readonly { type: string; name: string }[] {
  const scopes = texts.flatMap((text) => text.split(' ')).filter((text) => text !== '')
  if (scopes.length > REGISTRY_TOKEN_SCOPES_MAX) {
    throw new Fault('BAD_REQUEST', `a token is for at most ${REGISTRY_TOKEN_SCOPES_MAX} scopes`)
  }
  return scopes.flatMap((scope) => {
    const first = scope.indexOf(':')
    const last = scope.lastIndexOf(':')
    return first > 0 && last > first
      ? [{ type: scope.slice(0, first), name: scope.slice(first + 1, last) }]
      : []
  })
}

/**
 * All that `principal` may do with what the scopes name, as Harbor answers; nothing for what there is not,
 * in the same form as for what they may not see.
 */
export function accessTo(
  scopes: readonly { readonly type: string; readonly name: string }[],
  principal: Principal,
  tables: Readable,
): readonly Access[] {
  const entries = new Map<string, Access>()
  for (const { type, name } of scopes) {
    if (type === 'repository' && isRepositoryName(name)) {
      const actions = REPOSITORY_ACTIONS.filter((action) => mayUse(principal, name, action, tables))
      entries.set(`${type}:${name}`, { type, name, actions })
    } else if (type === 'registry' && name === 'catalog') {
      const all = decide(principal, { action: 'catalog:list', on: 'system' }, tables).allow
      entries.set(`${type}:${name}`, { type, name, actions: all ? ['*'] : [] })
    }
  }
  return [...entries.values()]
}

/** Whether `principal` may do that to a repository, as this node's tables stand now. */
export function mayUse(
  principal: Principal,
  repository: string,
  action: RepositoryAction,
  tables: Readable,
): boolean {
  const slash = repository.indexOf('/')
  const project = slash > 0 ? projectByName(tables, repository.slice(0, slash))?.id : undefined
  return decide(principal, { action: `repository:${action}`, on: 'project', project }, tables).allow
}
