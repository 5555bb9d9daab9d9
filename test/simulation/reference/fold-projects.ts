import { byDepthThenId, type Dot, hasSeen, type OpId } from '../../../src/journal/op.ts'
import type { ImmutabilityRule, ProjectRow, RoleId } from '../../../src/journal/rows.ts'
import { type Claims, folded, type Life, last, lifeOf } from './fold-people.ts'
import { type Formed, ineffectiveRow, is } from './formed.ts'
import { register, type Written, write } from './registers.ts'
import type { ReferenceTables } from './tables.ts'
import { listIn } from './world.ts'

type ProjectChange = Formed<'project.metadata-set' | 'project.renamed' | 'immutability.set'>

export function foldProjects(ops: readonly Formed[], tables: ReferenceTables, claims: Claims): void {
  const changes = new Map<string, ProjectChange[]>()
  const deletions = new Map<string, Formed[]>()
  for (const op of ops) {
    if (is(op, 'project.deleted')) listIn(deletions, op.body.project, op)
    if (is(op, 'project.metadata-set', 'project.renamed', 'immutability.set'))
      listIn(changes, op.body.project, op)
  }
  for (const created of ops) {
    if (!is(created, 'project.created')) continue
    const entity = `project:${created.id}`
    const life = lifeOf(tables, entity, changes.get(created.id) ?? [], deletions.get(created.id) ?? [])
    const naming = last(life.changes.filter((op) => is(op, 'project.renamed'))) ?? created
    tables.put('projects', created.id, { ...projectRow(created, life), name: naming.body.name })
    if (life.deletion) continue
    claims.add(`project-name:${folded(naming.body.name)}`, created.id, naming)
    claims.add(`project-number:${created.body.number}`, created.id, created)
  }
}

function projectRow(
  created: Formed<'project.created'>,
  { changes, deletion }: Life<ProjectChange>,
): ProjectRow {
  const metadata = new Map<string, Written<string>[]>()
  let updatedAt = created.time
  const rules: Formed<'immutability.set'>[] = []
  for (const [key, value] of Object.entries(created.body.metadata))
    listIn(metadata, key, write(created, value))
  for (const op of changes) {
    if (is(op, 'immutability.set')) {
      rules.push(op)
      continue
    }
    updatedAt = Math.max(updatedAt, op.time)
    if (is(op, 'project.renamed')) continue
    for (const [key, value] of Object.entries(op.body.metadata)) listIn(metadata, key, write(op, value))
  }
  rules.sort(byDepthThenId)
  return {
    id: created.id,
    number: created.body.number,
    name: created.body.name,
    ownerId: created.body.owner,
    createdAt: created.time,
    updatedAt,
    deleted: deletion !== undefined,
    metadata: Object.fromEntries([...metadata].map(([key, writes]) => [key, register(writes)])),
    immutability: rules.map((op): ImmutabilityRule => {
      const { mode, home, frontier } = op.body
      const replaces = rules.filter((other) => hasSeen(op, other.dot)).map(({ id }) => id)
      return { id: op.id, dot: op.dot, mode, home, frontier, replaces }
    }),
  }
}

interface Membership {
  readonly grants: { readonly op: Formed; readonly role: RoleId; readonly number: number }[]
  readonly revocations: Formed[]
}

export function foldMembers(ops: readonly Formed[], tables: ReferenceTables): void {
  const memberships = new Map<string, Membership>()
  const of = (projectId: string, userId: string): Membership => {
    const key = `${projectId}/${userId}`
    const known = memberships.get(key) ?? { grants: [], revocations: [] }
    memberships.set(key, known)
    return known
  }
  for (const op of ops) {
    if (is(op, 'project.created')) {
      of(op.id, op.body.owner).grants.push({ op, role: 1, number: op.body.ownerMember })
    }
    if (is(op, 'member.granted')) {
      const { project, user, role, number } = op.body
      of(project, user).grants.push({ op, role, number })
    }
    if (is(op, 'member.revoked')) of(op.body.project, op.body.user).revocations.push(op)
  }
  for (const [key, { grants, revocations }] of memberships) {
    const [projectId, userId] = key.split('/') as [string, string]
    const living: Written<{ role: RoleId; number: number }>[] = []
    for (const { op, role, number } of grants) {
      const unseen = revocations.filter((one) => !hasSeen(op, one.dot))
      if (unseen.length === 0) living.push(write(op, { role, number }))
      const concurrent = unseen.filter((one) => !hasSeen(one, op.dot)).map(({ id }) => id)
      if (concurrent.length > 0) {
        tables.ineffective(op, ineffectiveRow(op, 'lost', 'revoked', `member:${key}`, least(concurrent)))
      }
    }
    const row = register(living)
    // Who had seen one of these had seen all before it.
    const last = revocations.filter((one) => !revocations.some((later) => hasSeen(later, one.dot)))
    const dots = last.map(({ dot }) => dot).sort(byDot)
    tables.put('members', key, { projectId, userId, grants: row, revocations: dots })
    if (row.length > 0) tables.put('memberships', `${userId}/${projectId}`, { projectId })
  }
}

function least(ids: readonly OpId[]): OpId {
  return [...ids].sort()[0] as OpId
}

function byDot(a: Dot, b: Dot): number {
  if (a.feed !== b.feed) return a.feed < b.feed ? -1 : 1
  return a.seq - b.seq || a.index - b.index
}

export function foldQuotas(ops: readonly Formed[], tables: ReferenceTables): void {
  const sets = new Map<string, Formed<'quota.set'>[]>()
  const moves = new Map<string, Formed<'quota.moved'>[]>()
  for (const op of ops) {
    if (is(op, 'quota.set')) listIn(sets, op.body.project, op)
    if (is(op, 'quota.moved')) listIn(moves, op.body.project, op)
  }
  for (const [projectId, all] of sets) {
    const living = all.filter((op) => !all.some((other) => hasSeen(other, op.dot)))
    const set = living.sort(
      (a, b) => a.body.limit - b.body.limit || byDepthThenId(a, b),
    )[0] as Formed<'quota.set'>
    const rights = new Map([[set.author, set.body.limit]])
    for (const move of (moves.get(projectId) ?? []).sort(byDepthThenId)) {
      const has = rights.get(move.author) ?? 0
      const knew = hasSeen(move, set.dot)
      if (!knew && hasSeen(set, move.dot)) continue
      if (!knew || has < move.body.bytes) {
        tables.ineffective(move, ineffectiveRow(move, 'lost', 'quota', `quota:${projectId}`, null))
        continue
      }
      rights.set(move.author, has - move.body.bytes)
      rights.set(move.body.to, (rights.get(move.body.to) ?? 0) + move.body.bytes)
    }
    tables.put('quotas', projectId, {
      projectId,
      limit: set.body.limit,
      set: set.id,
      rights: Object.fromEntries(rights),
    })
  }
  for (const [projectId, all] of moves) {
    if (sets.has(projectId)) continue
    for (const move of all) {
      tables.ineffective(move, ineffectiveRow(move, 'lost', 'quota', `quota:${projectId}`, null))
    }
  }
}
