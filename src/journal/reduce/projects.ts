import type { Op } from '../op.ts'
import { hasSeen } from '../op.ts'
import { assign } from '../register.ts'
import type { MemberRow, ProjectRow, Register, RoleId } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import type { Reducers } from './reduce.ts'
import { claim, claimKey, unclaim } from './users.ts'

const PROJECT_ADMIN: RoleId = 1

export const projectReducers: Reducers<
  'project.created' | 'project.metadata-set' | 'project.deleted' | 'member.granted' | 'member.revoked'
> = {
  'project.created'(draft, op, body) {
    const project: ProjectRow = {
      id: op.id,
      number: body.number,
      name: body.name,
      ownerId: body.owner,
      createdAt: op.time,
      updatedAt: op.time,
      deleted: false,
      metadata: mergeMetadata({}, op, body.metadata),
    }
    draft.put('projects', op.id, project)
    claim(draft, claimKey('project-name', body.name), op)
    claim(draft, claimKey('project-number', body.number), op)
    grant(draft, op, { project: op.id, user: body.owner, role: PROJECT_ADMIN, number: body.ownerMember })
    return undefined
  },

  'project.metadata-set'(draft, op, body) {
    const row = draft.get('projects', body.project)
    if (!row) return 'no such project'
    draft.put('projects', row.id, {
      ...row,
      updatedAt: Math.max(row.updatedAt, op.time),
      metadata: mergeMetadata(row.metadata, op, body.metadata),
    })
    return undefined
  },

  'project.deleted'(draft, _op, body) {
    const row = draft.get('projects', body.project)
    if (!row) return 'no such project'
    draft.put('projects', row.id, { ...row, deleted: true })
    unclaim(draft, claimKey('project-name', row.name), row.id)
    unclaim(draft, claimKey('project-number', row.number), row.id)
    return undefined
  },

  'member.granted'(draft, op, body) {
    if (!draft.get('projects', body.project)) return 'no such project'
    if (!draft.get('users', body.user)) return 'no such user'
    return grant(draft, op, body)
  },

  'member.revoked'(draft, op, body) {
    const row = memberRow(draft, body.project, body.user)
    // Ops come in causal order, so a grant that is here was seen by the revoker or concurrent: both go.
    writeMember(draft, {
      ...row,
      grants: [],
      revocations: [...maximal(row.revocations, op), op.dot].sort(byDot),
    })
    return undefined
  },
}

function grant(
  draft: Draft,
  op: Op,
  body: { project: string; user: string; role: RoleId; number: number },
): string | undefined {
  const row = memberRow(draft, body.project, body.user)
  if (!row.revocations.every((dot) => hasSeen(op, dot))) return 'a revocation it had not seen beats a grant'
  writeMember(draft, { ...row, grants: assign(row.grants, op, { role: body.role, number: body.number }) })
  return undefined
}

function memberRow(draft: Draft, projectId: string, userId: string): MemberRow {
  return draft.get('members', `${projectId}/${userId}`) ?? { projectId, userId, grants: [], revocations: [] }
}

function writeMember(draft: Draft, row: MemberRow): void {
  draft.put('members', `${row.projectId}/${row.userId}`, row)
  const byUser = `${row.userId}/${row.projectId}`
  if (row.grants.length > 0) draft.put('memberships', byUser, { projectId: row.projectId })
  else draft.delete('memberships', byUser)
}

/** Revocations the new one had seen need not be kept: who saw it saw them. */
function maximal(revocations: MemberRow['revocations'], op: Op): MemberRow['revocations'] {
  return revocations.filter((dot) => !hasSeen(op, dot))
}

function byDot(a: MemberRow['revocations'][number], b: MemberRow['revocations'][number]): number {
  if (a.feed !== b.feed) return a.feed < b.feed ? -1 : 1
  return a.seq - b.seq || a.index - b.index
}

function mergeMetadata(
  metadata: ProjectRow['metadata'],
  op: Op,
  values: Readonly<Record<string, string>>,
): ProjectRow['metadata'] {
  const merged = new Map<string, Register<string>>(Object.entries(metadata))
  for (const [key, value] of Object.entries(values)) merged.set(key, assign(merged.get(key) ?? [], op, value))
  return Object.fromEntries(merged)
}
