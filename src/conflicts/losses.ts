import { type FilledIn, fieldsOf } from '../journal/authority/folds/fields.ts'
import { parseSubject, type Subject, subjectOf } from '../journal/content/subject.ts'
import type { Readable } from '../journal/effective.ts'
import type { Tables } from '../journal/journal.ts'
import { type LaneFamily, type OpId, parseFeedId } from '../journal/op.ts'
import {
  type IneffectiveRow,
  inRepository,
  type Register,
  type RetractedRow,
  type TagRow,
} from '../journal/rows.ts'
import type { LossReason } from './conflict.ts'
import { DanglingTags } from './dangling.ts'

/** An op that lost as the tables have it, before names are put to it. */
export interface Loss extends Omit<IneffectiveRow, 'reason'> {
  readonly id: OpId
  readonly reason: LossReason
  readonly projectId: string | null
  /** Key of its row in `ineffective`; null for a tag's value, which lives beside the one that counts. */
  readonly listed: string | null
  readonly tag: TagPlace | null
  /** What of which repository it is about; null for what is none of the catalog's, or does not say. */
  readonly subject: Subject | null
  /** What it filled in and does not count, where a field of a user, project or link has several values. */
  readonly fields: readonly LostField[]
}

export interface LostField {
  readonly field: string
  /** Everything it was filled in with, what counts first. */
  readonly values: Register<string>
}

export interface TagPlace {
  readonly projectId: string
  readonly path: string
  readonly tag: string
  /** Key of its row in `tags`. */
  readonly key: string
  readonly values: Register<string>
}

const FAMILIES: readonly LaneFamily[] = ['authority', 'catalog', 'verdicts', 'trail']

/** What of everything is looked at. */
export interface Look {
  /** Only what belongs to that project. */
  readonly projectId?: string | undefined
  /** Only what somebody may have to decide about: of what does not count, decisions, and tags that miss it. */
  readonly mayBeOpen?: boolean | undefined
  /** Rows that may still be read; it ends where there are none left. */
  readonly budget?: { left: number }
}

/**
 * Every op that lost, row by row in the order of the store: what means several things, then what does not count, each
 * manifest with the tags that miss it.
 */
export async function* losses(tables: Tables, look: Look = {}): AsyncIterable<Loss> {
  const { projectId, mayBeOpen = false, budget = { left: Number.POSITIVE_INFINITY } } = look
  for await (const loss of splits(tables, projectId)) {
    if (budget.left-- <= 0) return
    yield loss
  }
  const dangling = new DanglingTags(tables, budget)
  for await (const { key, row } of tables.list('retracted')) {
    if (budget.left-- <= 0) return
    const loss = retracted(key, row)
    if (projectId !== undefined && loss.projectId !== projectId) continue
    yield loss
    dangling.note(loss)
  }
  for (const prefix of mayBeOpen ? ['authority/', 'catalog/'] : ['']) {
    for await (const { key, row } of tables.list('ineffective', { prefix })) {
      if (budget.left-- <= 0) return
      // What a rule on tags forbade is told with its tag, above: the list does not say which it was.
      if (row.reason === 'immutable') continue
      const loss = asLoss(key, row)
      if (projectId !== undefined && loss.projectId !== projectId) continue
      if (!mayBeOpen || prefix === 'authority/') yield loss
      dangling.note(loss)
      if (dangling.isFull) yield* dangling.found()
    }
  }
  yield* dangling.found()
}

/** The one of that id. A tag's value is looked for among all there are: nothing says where it is. */
export async function findLoss(tables: Tables, id: OpId, projectId?: string): Promise<Loss | undefined> {
  const row = tables.get('retracted', id)
  if (row) {
    const loss = retracted(id, row)
    return projectId === undefined || loss.projectId === projectId ? loss : undefined
  }
  for (const family of FAMILIES) {
    const key = `${family}/${id}`
    const row = tables.get('ineffective', key)
    if (!row || row.reason === 'immutable') continue
    const loss = asLoss(key, row)
    return projectId === undefined || loss.projectId === projectId ? loss : undefined
  }
  for await (const loss of losses(tables, { projectId, mayBeOpen: true })) if (loss.id === id) return loss
  return undefined
}

/** Tags and fields that mean several things. */
async function* splits(tables: Tables, projectId?: string): AsyncIterable<Loss> {
  const prefix = projectId === undefined ? '' : `${projectId}/`
  for await (const { key } of tables.list('disputes', { prefix })) {
    const row = tables.get('tags', key)
    if (row) yield* lossesOfTag(tables, key, row)
  }
  const entity = projectId === undefined ? '' : `project:${projectId}`
  for await (const { key } of tables.list('disputedFields', { prefix: entity })) yield* lossesOf(tables, key)
}

/** @param entity `user:<id>`, `project:<id>`, `link:<site>/<site>` */
export function lossesOf(tables: Readable, entity: string): Iterable<Loss> {
  const [what, id = ''] = entity.split(':')
  const filled = FILLED[what as keyof typeof FILLED]
  const row: FilledIn | undefined = tables.get(filled.table, id)
  const lost = new Map<OpId, Loss>()
  if (!row || ('deleted' in row && row.deleted)) return []
  const { kind } = filled
  const projectId = what === 'project' ? id : null
  for (const [field, register] of fieldsOf(row)) {
    const values = countingFirst(field, register)
    const [counts] = values
    for (const one of values) {
      if (!counts || one.value === counts.value) continue
      const { author } = parseFeedId(one.dot.feed)
      const why = { outcome: 'lost', reason: 'field', entity, beatenBy: counts.id } as const
      const { actor, time } = one
      const { fields = [] } = lost.get(one.id) ?? {}
      const place = { projectId, listed: null, tag: null, subject: null }
      const loss = { id: one.id, kind, actor, author, time, ...why, ...place }
      lost.set(one.id, { ...loss, fields: [...fields, { field, values }] })
    }
  }
  return lost.values()
}

/** What people fill in, and by which kind of record. */
const FILLED = {
  user: { table: 'users', kind: 'user.profile-set' },
  project: { table: 'projects', kind: 'project.metadata-set' },
  link: { table: 'linkPolicies', kind: 'link.policy-set' },
} as const

/** A project is public only while every value says so, a link forbidden while one does. */
function countingFirst(field: string, register: Register<string>): Register<string> {
  if (field !== 'public' && field !== 'forbidden') return register
  const isTighter = ({ value }: { value: string }) => (value === 'true') === (field === 'forbidden')
  return [...register].sort((a, b) => Number(isTighter(b)) - Number(isTighter(a)))
}

function asLoss(key: string, row: IneffectiveRow): Loss {
  const id = key.slice(key.indexOf('/') + 1)
  const subject = key.startsWith('catalog/') ? (parseSubject(row.entity ?? '') ?? null) : null
  const projectId = subject?.projectId ?? projectOf(row.entity)
  return { ...row, id, projectId, listed: key, tag: tagOf(subject), subject, fields: [] }
}

/** What a fork took back. */
function retracted(id: OpId, { kind, actor, author, time, body, entity }: RetractedRow): Loss {
  const subject = parseSubject(subjectOf({ kind, body: Object(body) }) ?? '') ?? null
  const projectId = subject?.projectId ?? projectOf(entity)
  const why = { outcome: 'refused', reason: 'forked', entity, beatenBy: null } as const
  const place = { projectId, listed: null, tag: tagOf(subject), subject }
  return { id, kind, actor, author, time, ...why, ...place, fields: [] }
}

/** A tag is told by its place. */
function tagOf(subject: Subject | null): TagPlace | null {
  if (subject?.what !== 'tag' || subject.tag === null) return null
  const { projectId, path, tag } = subject
  return { projectId, path, tag, key: inRepository(`${projectId}/${path}`, tag), values: [] }
}

/** Of what belongs to a project the entity says which: `project:<id>`, `quota:<id>`, `member:<id>/<user>`. */
function projectOf(entity: string | null): string | null {
  return /^(?:project|quota|member):([^/]+)/.exec(entity ?? '')?.[1] ?? null
}

function* lossesOfTag(tables: Readable, key: string, row: TagRow): Iterable<Loss> {
  const tag = placeOf(key, row)
  const project = tables.get('projects', tag.projectId)
  if (!project || project.deleted) return
  const { projectId } = tag
  const [winner, ...others] = row.values
  for (const { id, actor, time, dot, value } of others) {
    if (value === winner?.value) continue
    const { author } = parseFeedId(dot.feed)
    const why = { outcome: 'lost', reason: 'tag', entity: null, beatenBy: winner?.id ?? null } as const
    const what = { projectId, listed: null, tag, subject: subjectIn(tag, value), fields: [] }
    yield { id, kind: 'tag.moved', actor, author, time, ...why, ...what }
  }
  for (const { id, value } of row.ops ?? []) {
    const listed = `catalog/${id}`
    const refused = tables.get('ineffective', listed)
    if (refused?.reason !== 'immutable') continue
    yield { ...refused, id, projectId, listed, tag, subject: subjectIn(tag, value), fields: [] }
  }
}

function subjectIn({ projectId, path, tag }: TagPlace, digest: string | null): Subject {
  return { what: 'tag', projectId, path, tag, digest }
}

function placeOf(key: string, { tag, values }: TagRow): TagPlace {
  const [repository = ''] = key.split('\u0000', 1)
  const slash = repository.indexOf('/')
  return { projectId: repository.slice(0, slash), path: repository.slice(slash + 1), tag, key, values }
}
