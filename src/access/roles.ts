import type { RoleId } from '../journal/rows.ts'

/** Harbor's five project roles, weakest first. Each may all that those before it may. */
export const ROLES = [
  { id: 5, name: 'limitedGuest' },
  { id: 3, name: 'guest' },
  { id: 2, name: 'developer' },
  { id: 4, name: 'maintainer' },
  { id: 1, name: 'projectAdmin' },
] as const satisfies readonly { id: RoleId; name: string }[]

export type RoleName = (typeof ROLES)[number]['name']

/** What may be done in a project, each with the weakest role that may. */
export const PROJECT_ACTIONS = {
  'project:read': 'limitedGuest',
  'repository:pull': 'limitedGuest',
  'repository:read': 'limitedGuest',
  'repository:list': 'limitedGuest',
  'artifact:read': 'limitedGuest',
  'artifact:list': 'limitedGuest',
  'tag:list': 'limitedGuest',
  'scan:read': 'limitedGuest',
  'sbom:read': 'limitedGuest',
  'quota:read': 'limitedGuest',

  'member:list': 'guest',
  'member:read': 'guest',
  'label:list': 'guest',
  'label:read': 'guest',
  'robot:list': 'guest',
  'robot:read': 'guest',

  'repository:push': 'developer',
  'repository:create': 'developer',
  'repository:update': 'developer',
  'tag:create': 'developer',
  'artifact:create': 'developer',
  'artifact-label:create': 'developer',
  'artifact-label:delete': 'developer',
  'tag-retention:list': 'developer',
  'tag-retention:read': 'developer',
  'tag-retention:create': 'developer',
  'tag-retention:update': 'developer',
  'tag-retention:delete': 'developer',
  'tag-retention:operate': 'developer',
  'export-cve:create': 'developer',
  'export-cve:read': 'developer',

  'repository:delete': 'maintainer',
  'artifact:delete': 'maintainer',
  'tag:delete': 'maintainer',
  'label:create': 'maintainer',
  'label:update': 'maintainer',
  'label:delete': 'maintainer',
  'immutable-tag:list': 'maintainer',
  'immutable-tag:create': 'maintainer',
  'immutable-tag:update': 'maintainer',
  'immutable-tag:delete': 'maintainer',
  'scan:create': 'maintainer',
  'scan:stop': 'maintainer',
  'sbom:create': 'maintainer',
  'sbom:stop': 'maintainer',
  'webhook:list': 'maintainer',
  'webhook:read': 'maintainer',

  'member:create': 'projectAdmin',
  'member:update': 'projectAdmin',
  'member:delete': 'projectAdmin',
  'metadata:create': 'projectAdmin',
  'metadata:update': 'projectAdmin',
  'metadata:delete': 'projectAdmin',
  'robot:create': 'projectAdmin',
  'robot:update': 'projectAdmin',
  'robot:delete': 'projectAdmin',
  'webhook:create': 'projectAdmin',
  'webhook:update': 'projectAdmin',
  'webhook:delete': 'projectAdmin',
  'preheat-policy:list': 'projectAdmin',
  'preheat-policy:read': 'projectAdmin',
  'preheat-policy:create': 'projectAdmin',
  'preheat-policy:update': 'projectAdmin',
  'preheat-policy:delete': 'projectAdmin',
  'scanner:choose': 'projectAdmin',
  'log:list': 'projectAdmin',
  'conflict:list': 'projectAdmin',
  'conflict:repair': 'projectAdmin',
  'project:update': 'projectAdmin',
  'project:delete': 'projectAdmin',
} as const satisfies Record<string, RoleName>

export type ProjectAction = keyof typeof PROJECT_ACTIONS

/** What a public project shows to everybody, as Harbor's does. */
export const PUBLIC_ACTIONS: ReadonlySet<ProjectAction> = new Set([
  'project:read',
  'repository:pull',
  'repository:read',
  'repository:list',
  'artifact:read',
  'artifact:list',
  'tag:list',
  'scan:read',
  'sbom:read',
  'label:list',
  'label:read',
])

/** What may be done outside any project, and by whom. */
export const SYSTEM_ACTIONS = {
  'system-info:read': 'anyone',
  'project:list': 'anyone',
  'project:create': 'user',
  'user:search': 'user',
  'user:list': 'admin',
  'user:create': 'admin',
  'catalog:list': 'admin',
  'conflict:list': 'admin',
  'conflict:repair': 'admin',
  'cluster:read': 'admin',
  'cluster:invite': 'admin',
  'cluster:approve': 'admin',
  'cluster:evict': 'admin',
  'cluster:rotate-key': 'admin',
  'cluster:set-link': 'admin',
  'cluster:recover': 'admin',
  'cluster:leave': 'admin',
} as const satisfies Record<string, 'anyone' | 'user' | 'admin'>

export type SystemAction = keyof typeof SYSTEM_ACTIONS

/** What may be done to an account; `self` is its owner, and administrators may everything. */
export const USER_ACTIONS = {
  'user:read': 'self',
  'user:update': 'self',
  'user:set-password': 'self',
  'user:rename': 'admin',
  'user:set-admin': 'admin',
  'user:delete': 'admin',
} as const satisfies Record<string, 'self' | 'admin'>

export type UserAction = keyof typeof USER_ACTIONS

const RANK = new Map<RoleId, number>(ROLES.map(({ id }, rank) => [id, rank]))
const RANK_OF_NAME = new Map<RoleName, number>(ROLES.map(({ name }, rank) => [name, rank]))
const NAMES = new Map<RoleId, RoleName>(ROLES.map(({ id, name }) => [id, name]))
/** Looked up on every request: the rank an action asks for. */
const NEEDED = new Map<ProjectAction, number>(
  (Object.keys(PROJECT_ACTIONS) as ProjectAction[]).map((action) => [
    action,
    RANK_OF_NAME.get(PROJECT_ACTIONS[action]) as number,
  ]),
)

/** Whether a member of this role may do that in their project. */
export function roleMay(role: RoleId, action: ProjectAction): boolean {
  const needed = NEEDED.get(action)
  const rank = RANK.get(role)
  return needed !== undefined && rank !== undefined && rank >= needed
}

export function roleName(role: RoleId): RoleName {
  return NAMES.get(role) ?? 'limitedGuest'
}
