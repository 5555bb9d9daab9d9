import type { Tables } from '../journal/journal.ts'
import { type LaneFamily, type OpId, parseFeedId } from '../journal/op.ts'
import type { IneffectiveRow, Register, TagRow } from '../journal/rows.ts'
import type { LossReason } from './conflict.ts'

/** An op that lost as the tables have it, before names are put to it. */
export interface Loss extends Omit<IneffectiveRow, 'reason'> {
  readonly id: OpId
  readonly reason: LossReason
  readonly projectId: string | null
  /** Key of its row in `ineffective`; null for a tag's value, which lives beside the one that counts. */
  readonly listed: string | null
  readonly tag: TagPlace | null
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

/**
 * Every op that lost, row by row in the order of the store: what does not count, then tags that mean two things.
 * @param projectId only what belongs to that project
 */
export async function* losses(tables: Tables, projectId?: string): AsyncIterable<Loss> {
  for await (const { key, row } of tables.list('ineffective')) {
    const loss = asLoss(key, row)
    // What a rule on tags forbade is told with its tag, below: the list does not say which it was.
    if (row.reason === 'immutable') continue
    if (projectId === undefined || loss.projectId === projectId) yield loss
  }
  const prefix = projectId === undefined ? '' : `${projectId}/`
  for await (const { key, row } of tables.list('tags', { prefix })) yield* lossesOfTag(tables, key, row)
}

/** The one of that id. A tag's value is looked for among all tags: nothing says where it is. */
export async function findLoss(tables: Tables, id: OpId, projectId?: string): Promise<Loss | undefined> {
  for (const family of FAMILIES) {
    const key = `${family}/${id}`
    const row = tables.get('ineffective', key)
    if (!row || row.reason === 'immutable') continue
    const loss = asLoss(key, row)
    return projectId === undefined || loss.projectId === projectId ? loss : undefined
  }
  const prefix = projectId === undefined ? '' : `${projectId}/`
  for await (const { key, row } of tables.list('tags', { prefix })) {
    for (const loss of lossesOfTag(tables, key, row)) if (loss.id === id) return loss
  }
  return undefined
}

function asLoss(key: string, row: IneffectiveRow): Loss {
  const id = key.slice(key.indexOf('/') + 1)
  return { ...row, id, projectId: projectOf(row.entity), listed: key, tag: null }
}

/** Of what belongs to a project the entity says which: `project:<id>`, `quota:<id>`, `member:<id>/<user>`. */
function projectOf(entity: string | null): string | null {
  return /^(?:project|quota|member):([^/]+)/.exec(entity ?? '')?.[1] ?? null
}

function* lossesOfTag(tables: Pick<Tables, 'get'>, key: string, row: TagRow): Iterable<Loss> {
  if (row.values.length < 2 && !row.ops) return
  const tag = placeOf(key, row)
  const project = tables.get('projects', tag.projectId)
  if (!project || project.deleted) return
  const { projectId } = tag
  const [winner, ...others] = row.values
  for (const { id, actor, time, dot } of others) {
    const { author } = parseFeedId(dot.feed)
    const why = { outcome: 'lost', reason: 'tag', entity: null, beatenBy: winner?.id ?? null } as const
    yield { id, kind: 'tag.moved', actor, author, time, ...why, projectId, listed: null, tag }
  }
  for (const { id } of row.ops ?? []) {
    const listed = `catalog/${id}`
    const refused = tables.get('ineffective', listed)
    if (refused?.reason === 'immutable') yield { ...refused, id, projectId, listed, tag }
  }
}

function placeOf(key: string, { tag, values }: TagRow): TagPlace {
  const [repository = ''] = key.split('\u0000', 1)
  const slash = repository.indexOf('/')
  return { projectId: repository.slice(0, slash), path: repository.slice(slash + 1), tag, key, values }
}
