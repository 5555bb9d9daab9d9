import { bodyOf } from '../journal/authority/bodies.ts'
import { findIn } from '../journal/authority/history.ts'
import type { Subject } from '../journal/content/subject.ts'
import { projectName, type Readable, userName } from '../journal/effective.ts'
import { parseFeedId } from '../journal/op.ts'
import type { HistoryOp, IneffectiveRow, Sibling } from '../journal/rows.ts'
import type { About, Deed, Image, LossReason } from './conflict.ts'
import type { Loss } from './losses.ts'

/** Of a digest: enough to know it by. */
const DIGEST_SHOWN = 'sha256:'.length + 12

/** Of a tag, what is told with what it was to name: where else nothing says so. */
const NAMES_DIGEST: ReadonlySet<LossReason> = new Set(['evicted', 'powerless', 'dangling'])

/** What an op says of itself, wherever it stands. */
type Done = Pick<IneffectiveRow, 'actor' | 'author' | 'time'> & { readonly id: string }

/** What an op said. */
export type Said = Pick<HistoryOp, 'id' | 'author' | 'kind' | 'body' | 'needs'>

/** The op itself, with its body; undefined for one that never came so far as to be about something. */
export function opOf(
  tables: Readable,
  { entity, id, reason }: Pick<Loss, 'entity' | 'id' | 'reason'>,
): Said | undefined {
  const retracted = reason === 'forked' ? tables.get('retracted', id) : undefined
  if (retracted)
    return { id, author: retracted.author, kind: retracted.kind, body: retracted.body, needs: [] }
  return entity === null ? undefined : findIn(tables, entity, id)
}

export function deedOf(tables: Readable, { id, actor, author, time }: Done): Deed {
  const node = tables.get('nodes', author)
  const who = actor === 'node' ? 'node' : userLabel(tables, actor)
  return { id, actor: who, node: node?.name ?? author, site: node?.site ?? '', time }
}

export function deedOfValue(tables: Readable, value: Sibling<unknown>): Deed {
  return deedOf(tables, { ...value, author: parseFeedId(value.dot.feed).author })
}

export function aboutOf(tables: Readable, loss: Loss): About {
  if (loss.tag) {
    const { projectId, path, tag } = loss.tag
    const about = { what: 'tag', project: projectLabel(tables, projectId), path, tag } as const
    const digest = NAMES_DIGEST.has(loss.reason) ? loss.subject?.digest : null
    return digest ? { ...about, digest: digest.slice(0, DIGEST_SHOWN) } : about
  }
  if (loss.subject) return aboutContent(tables, loss.subject)
  const at = loss.entity?.indexOf(':') ?? -1
  if (loss.entity === null || at < 0) return { what: 'record', record: loss.entity ?? '' }
  const [what, id] = [loss.entity.slice(0, at), loss.entity.slice(at + 1)]
  switch (what) {
    case 'user': {
      const op = opOf(tables, loss)
      const made = op && loss.reason === 'forked' ? bodyOf(op, 'user.created')?.name : undefined
      return { what, user: made ?? userLabel(tables, id), admin: adminSaid(op) }
    }
    case 'project': {
      const op = loss.fields.length > 0 ? undefined : opOf(tables, loss)
      const settings = (op && bodyOf(op, 'project.metadata-set')?.metadata) ?? {}
      const made = op && loss.reason === 'forked' ? bodyOf(op, 'project.created')?.name : undefined
      return { what, project: made ?? projectLabel(tables, id), settings }
    }
    case 'link':
      return { what, link: id }
    case 'quota':
      return { what, project: projectLabel(tables, id) }
    case 'member': {
      const [project = '', user = ''] = id.split('/')
      const op = opOf(tables, loss)
      const role = (op && bodyOf(op, 'member.granted')?.role) ?? null
      return { what, project: projectLabel(tables, project), user: userLabel(tables, user), role }
    }
    case 'node':
      return { what, node: tables.get('nodes', id)?.name ?? admittedName(tables, id) }
    default:
      return { what: 'record', record: loss.entity }
  }
}

/** Something of the catalog that no tag tells. */
function aboutContent(tables: Readable, { projectId, path, digest }: Subject): About {
  const shown = digest === null ? '' : `@${digest.slice(0, DIGEST_SHOWN)}`
  return { what: 'record', record: `${projectLabel(tables, projectId)}/${path}${shown}` }
}

export function imageOf(tables: Readable, { subject }: Loss): Image | null {
  if (!subject) return null
  const { projectId, path, tag, digest } = subject
  return { repository: `${projectLabel(tables, projectId)}/${path}`, tag, digest }
}

/** An account is shown as an administrator's where it was to be one; that it was to be none goes without saying. */
function adminSaid(op: Said | undefined): boolean | null {
  const created = op && bodyOf(op, 'user.created')
  if (created) return created.admin || null
  return (op && bodyOf(op, 'user.admin-set')?.admin) ?? null
}

/** What an account is called, or was to be called where it never came to be. */
export function userLabel(tables: Readable, id: string): string {
  const row = tables.get('users', id)
  if (row) return userName(tables, row)
  const created = findIn(tables, `user:${id}`, id)
  return (created && bodyOf(created, 'user.created')?.name) ?? id
}

export function projectLabel(tables: Readable, id: string): string {
  const row = tables.get('projects', id)
  if (row) return projectName(tables, row)
  const created = findIn(tables, `project:${id}`, id)
  return (created && bodyOf(created, 'project.created')?.name) ?? id
}

function admittedName(tables: Readable, id: string): string {
  const admitted = tables.get('history', `node:${id}`)?.find(({ kind }) => kind === 'node.admitted')
  return (admitted && bodyOf(admitted, 'node.admitted')?.facts.name) ?? id
}
