import { createHash } from 'node:crypto'
import type { Account } from '../../access/accounts.ts'
import { roleName } from '../../access/roles.ts'
import type { RoleId } from '../../journal/rows.ts'
import type { Member } from '../../projects/members.ts'
import type { Project } from '../../projects/projects.ts'
import type { Repository } from '../../projects/repositories.ts'

/** Our records as Harbor's clients read them. Fields are named one by one: nothing is sent that isn't here. */

export function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

export function userShape(account: Account): object {
  return {
    user_id: account.number,
    username: account.name,
    email: account.email,
    realname: account.realname,
    comment: account.comment,
    sysadmin_flag: account.admin,
    // Rights from a directory, which there is none of.
    admin_role_in_auth: false,
    creation_time: time(account.createdAt),
    update_time: time(account.updatedAt),
  }
}

export function projectShape(
  project: Project,
  facts: {
    readonly owner: Account | undefined
    readonly role: RoleId | undefined
    readonly repositories: number | undefined
    readonly togglable: boolean
  },
): object {
  return {
    project_id: project.number,
    name: project.name,
    owner_id: facts.owner?.number ?? 0,
    owner_name: facts.owner?.name ?? '',
    creation_time: time(project.createdAt),
    update_time: time(project.updatedAt),
    deleted: false,
    togglable: facts.togglable,
    ...(facts.repositories !== undefined && { repo_count: facts.repositories }),
    ...(facts.role !== undefined && {
      current_user_role_id: facts.role,
      current_user_role_ids: [facts.role],
    }),
    metadata: Object.fromEntries(project.metadata),
  }
}

export function memberShape(member: Member, project: Project): object {
  return {
    id: member.number,
    project_id: project.number,
    entity_id: member.userNumber,
    entity_name: member.userName,
    entity_type: 'u',
    role_id: member.role,
    role_name: roleName(member.role),
  }
}

export function repositoryShape(repository: Repository, project: Project): object {
  return {
    id: numberOf(repository.id),
    project_id: project.number,
    name: `${project.name}/${repository.path}`,
    artifact_count: repository.artifacts,
    creation_time: time(repository.createdAt),
    update_time: time(repository.updatedAt),
  }
}

/** Harbor numbers repositories; nothing is looked up by it, so a number made of the id will do. */
function numberOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE() >>> 1
}
