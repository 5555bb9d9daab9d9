import { z } from 'zod'
import type { Account } from '../../access/accounts.ts'
import { Fault } from '../../errors.ts'
import { membershipOf } from '../../journal/effective.ts'
import type { RoleId } from '../../journal/rows.ts'
import type { Project } from '../../projects/projects.ts'
import { repositoriesOf } from '../../projects/repositories.ts'
import { onProject, onSystem } from './gate.ts'
import { type List, listQuery, pageOf } from './list.ts'
import type { ApiParts } from './parts.ts'
import { newProject, settingsOf } from './project-body.ts'
import { type Call, type Reply, type Route, route } from './route.ts'
import { projectShape, repositoryShape } from './shapes.ts'
import { API } from './users.ts'

const PROJECTS: List<Project> = {
  order: 'name',
  fields: new Map([
    ['project_id', { type: 'number', of: (one) => one.number }],
    ['name', { type: 'text', of: (one) => one.name }],
    ['public', { type: 'flag', of: (one) => one.public }],
    ['creation_time', { type: 'time', of: (one) => one.createdAt }],
    ['update_time', { type: 'time', of: (one) => one.updatedAt }],
  ]),
}

const REPOSITORIES: List<Parameters<typeof repositoryShape>[0]> = {
  order: 'name',
  fields: new Map([
    ['name', { type: 'text', of: (one) => one.path }],
    ['creation_time', { type: 'time', of: (one) => one.createdAt }],
    ['update_time', { type: 'time', of: (one) => one.updatedAt }],
  ]),
}

export const one = z.strictObject({ project: z.string().min(1).max(300) })
const bool = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1')

type AnyCall = Pick<Call<unknown, unknown, unknown, unknown>, 'parts' | 'principal' | 'may'>

export const projectRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/projects',
    gate: onSystem('project:list'),
    query: listQuery.extend({
      name: z.string().optional(),
      owner: z.string().optional(),
      public: bool.optional(),
      with_detail: bool.optional(),
    }),
    async handle(call) {
      const { query, url, parts } = call
      const shown: Project[] = []
      const reply = await pageOf(visible(call, query), PROJECTS, query, url, (project) => shown.push(project))
      const detail = query.with_detail !== false
      const body = await Promise.all(
        shown.map(async (project) => {
          return shapeOf(call, project, detail ? await repositoryCount(parts, project) : undefined)
        }),
      )
      return { ...reply, body }
    },
  }),

  route({
    method: 'HEAD',
    url: '/projects',
    gate: onSystem('project:list'),
    query: z.object({ project_name: z.string().min(1).max(300) }),
    handle({ parts, query, require }) {
      const project = parts.projects.find(query.project_name, true)
      require({ action: 'project:read', on: 'project', project: project?.id })
      return { status: 200 }
    },
  }),

  route({
    method: 'POST',
    url: '/projects',
    gate: onSystem('project:create'),
    body: newProject,
    async handle({ parts, principal, body, by, nameInLocation }): Promise<Reply> {
      if (body.project_name === undefined) throw new Fault('BAD_REQUEST', 'project_name is missing')
      // The operator is nobody in particular, and a project has an owner: the first administrator.
      const owner = principal.kind === 'user' ? principal.id : (await firstAdmin(parts)).id
      const settings = { name: body.project_name, metadata: settingsOf(body) }
      const project = await parts.projects.create(settings, owner, by)
      const called = nameInLocation ? project.name : project.number
      return { status: 201, headers: { location: `${API}/projects/${called}` } }
    },
  }),

  route({
    method: 'GET',
    url: '/projects/:project',
    gate: onProject('project:read'),
    params: one,
    async handle(call) {
      const { target, parts } = call
      return { status: 200, body: shapeOf(call, target, await repositoryCount(parts, target)) }
    },
  }),

  route({
    method: 'PUT',
    url: '/projects/:project',
    gate: onProject('project:update'),
    params: one,
    body: newProject,
    async handle({ parts, target, body, by }) {
      if (body.project_name !== undefined && body.project_name !== target.name) {
        throw new Fault('BAD_REQUEST', 'a project keeps its name')
      }
      await parts.projects.update(target.id, settingsOf(body), by)
      return { status: 200 }
    },
  }),

  route({
    method: 'DELETE',
    url: '/projects/:project',
    gate: onProject('project:delete'),
    params: one,
    async handle({ parts, target, by }) {
      await parts.projects.delete(target.id, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'GET',
    url: '/projects/:project/summary',
    gate: onProject('project:read'),
    params: one,
    async handle({ parts, target, may }) {
      const listed = may({ action: 'member:list', on: 'project', project: target.id })
      const members = listed ? await memberCounts(parts, target) : {}
      return { status: 200, body: { repo_count: await repositoryCount(parts, target), ...members } }
    },
  }),

  route({
    method: 'GET',
    url: '/projects/:project/repositories',
    gate: onProject('repository:list'),
    params: one,
    query: listQuery,
    handle({ parts, target, query, url }) {
      const repositories = repositoriesOf(parts.tables, target.id)
      return pageOf(repositories, REPOSITORIES, query, url, (repository) =>
        repositoryShape(repository, target),
      )
    },
  }),
]

async function* visible(
  { parts, may }: AnyCall,
  query: { name?: string | undefined; owner?: string | undefined; public?: boolean | undefined },
): AsyncIterable<Project> {
  const owner = query.owner === undefined ? undefined : (parts.accounts.byName(query.owner)?.id ?? '')
  for await (const project of parts.projects.all()) {
    if (query.name !== undefined && !project.name.includes(query.name)) continue
    if (query.public !== undefined && project.public !== query.public) continue
    if (owner !== undefined && project.ownerId !== owner) continue
    if (may({ action: 'project:read', on: 'project', project: project.id })) yield project
  }
}

function shapeOf(call: AnyCall, project: Project, repositories: number | undefined): object {
  const { parts, principal, may } = call
  const togglable = may({ action: 'project:update', on: 'project', project: project.id })
  return projectShape(project, {
    owner: parts.accounts.byId(project.ownerId),
    role: roleOf(call, project, principal.kind === 'user' ? principal.id : undefined, togglable),
    repositories,
    togglable,
  })
}

/** Harbor shows administrators of the system as administrators of every project. */
function roleOf(
  { parts }: AnyCall,
  project: Project,
  userId: string | undefined,
  mayUpdate: boolean,
): RoleId | undefined {
  const membership = userId === undefined ? undefined : membershipOf(parts.tables, project.id, userId)
  return mayUpdate ? 1 : membership?.role
}

async function repositoryCount(parts: ApiParts, project: Project): Promise<number> {
  let count = 0
  for await (const _ of repositoriesOf(parts.tables, project.id)) count += 1
  return count
}

async function memberCounts(parts: ApiParts, project: Project): Promise<object> {
  const counts = new Map<RoleId, number>()
  for await (const { role } of parts.members.of(project.id)) counts.set(role, (counts.get(role) ?? 0) + 1)
  const of = (role: RoleId) => counts.get(role) ?? 0
  return {
    project_admin_count: of(1),
    maintainer_count: of(4),
    developer_count: of(2),
    guest_count: of(3),
    limited_guest_count: of(5),
  }
}

async function firstAdmin({ accounts }: ApiParts): Promise<Account> {
  let first: Account | undefined
  for await (const account of accounts.all()) {
    if (account.admin && (!first || account.number < first.number)) first = account
  }
  if (!first) throw new Fault('PRECONDITION', 'there is no administrator to own the project')
  return first
}
