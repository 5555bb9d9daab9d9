import { hasSeen } from '../../op.ts'
import { assign } from '../../register.ts'
import type { HistoryOp, ImmutabilityRule, ProjectRow, Register } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import { namingOp, reclaimNames } from './claims.ts'
import { noteFields } from './fields.ts'
import type { Lost } from './fold.ts'
import { beforeEnd, lostTo } from './users.ts'

export function foldProject(draft: Draft, id: string, ops: readonly HistoryOp[]): Lost {
  const before = draft.get('projects', id)
  const created = ops.find((op) => op.id === id)
  const body = created && bodyOf(created, 'project.created')
  if (!created || !body) {
    if (before) reclaimNames(draft, 'project', before, before, undefined)
    if (before) draft.delete('projects', id)
    noteFields(draft, `project:${id}`, undefined)
    if (before && before.immutability.length > 0) reviewTags(draft, id)
    return new Map()
  }
  const deletions = ops.filter(({ kind }) => kind === 'project.deleted')
  const start: ProjectRow = {
    id,
    number: body.number,
    name: body.name,
    ownerId: body.owner,
    createdAt: created.time,
    updatedAt: created.time,
    deleted: deletions.length > 0,
    metadata: merge({}, created, body.metadata),
    immutability: [],
  }
  const living = beforeEnd(deletions[0], ops)
  const row = { ...living.reduce<ProjectRow>(change, start), immutability: rulesOf(living) }
  draft.put('projects', id, row)
  noteFields(draft, `project:${id}`, row)
  if (namesOf(row) !== namesOf(before)) reviewTags(draft, id)
  const naming = namingOp(created, living, 'project.renamed')
  reclaimNames(draft, 'project', before, row, { created, naming })
  return lostTo(deletions[0], ops, created)
}

/** Which of its tags' ops count is a question about its rules. */
function reviewTags(draft: Draft, id: string): void {
  draft.put('reviews', `tags-of:${id}`, { after: '' })
}

function namesOf(row: ProjectRow | undefined): string {
  return (row?.immutability ?? []).map((rule) => rule.id).join()
}

function change(row: ProjectRow, op: HistoryOp): ProjectRow {
  const settings = bodyOf(op, 'project.metadata-set')
  if (settings) {
    const metadata = merge(row.metadata, op, settings.metadata)
    return { ...row, updatedAt: Math.max(row.updatedAt, op.time), metadata }
  }
  const renamed = bodyOf(op, 'project.renamed')
  if (renamed) return { ...row, updatedAt: Math.max(row.updatedAt, op.time), name: renamed.name }
  return row
}

function rulesOf(ops: readonly HistoryOp[]): readonly ImmutabilityRule[] {
  const set = ops.filter(({ kind }) => kind === 'immutability.set')
  return set.flatMap((op) => {
    const body = bodyOf(op, 'immutability.set')
    if (!body) return []
    const { mode, home, frontier } = body
    const replaces = set.filter(({ dot }) => hasSeen(op, dot)).map(({ id }) => id)
    return [{ id: op.id, dot: op.dot, mode, home, frontier, replaces }]
  })
}

function merge(
  metadata: ProjectRow['metadata'],
  op: HistoryOp,
  values: Readonly<Record<string, string>>,
): ProjectRow['metadata'] {
  const merged = new Map<string, Register<string>>(Object.entries(metadata))
  for (const [key, value] of Object.entries(values)) merged.set(key, assign(merged.get(key) ?? [], op, value))
  return Object.fromEntries(merged)
}
