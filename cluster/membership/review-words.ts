import { projectName, type Readable, userName } from '../../src/journal/effective.ts'

/** Harbor's roles in a project, by number. */
const ROLES: Readonly<Record<number, string>> = {
  1: 'project admin',
  2: 'developer',
  3: 'guest',
  4: 'maintainer',
  5: 'limited guest',
}
/** Of a digest or a text that may be long: enough to know it by. */
const SHOWN_MAX = 80
const DIGEST_SHOWN = 'sha256:'.length + 12

/** On whose behalf something was written, by name. */
export function whoOf(tables: Readable, actor: string): string {
  return actor === 'node' ? 'the node' : userLabel(tables, actor)
}

/** What a record is about, in the names people know; never a hash, a key or a verifier. */
export function whatOf(tables: Readable, kind: string, body: unknown): string {
  const fields = Object(body) as Record<string, unknown>
  const text = (field: string) => {
    const value = fields[field]
    return typeof value === 'string' ? value.slice(0, SHOWN_MAX) : undefined
  }
  const words: string[] = []
  const add = (word: string, value: string | undefined) => {
    if (value !== undefined) words.push(word === '' ? value : `${word} ${value}`)
  }
  const [project, path, tag, digest] = [
    text('projectId') ?? text('project'),
    text('path'),
    text('tag'),
    text('digest'),
  ]
  const place = project === undefined ? undefined : projectLabel(tables, project)
  if (place !== undefined && path !== undefined) {
    const at = tag === undefined ? '' : `:${tag}`
    const by = digest === undefined ? '' : `@${digest.slice(0, DIGEST_SHOWN)}`
    words.push(`${place}/${path}${at}${by}`)
  } else {
    add('project', place)
    add('', digest?.slice(0, DIGEST_SHOWN))
  }
  for (const field of ['user', 'owner']) {
    const id = text(field)
    add(field, id === undefined ? undefined : userLabel(tables, id))
  }
  add(kind === 'user.created' ? 'user' : kind === 'project.created' ? 'project' : 'as', text('name'))
  for (const [field, word] of [
    ['node', 'node'],
    ['to', 'to node'],
    ['home', 'at node'],
  ] as const) {
    const id = text(field)
    add(word, id === undefined ? undefined : (tables.get('nodes', id)?.name ?? id))
  }
  const { role, admin, limit } = fields
  if (typeof role === 'number') add('as', ROLES[role] ?? `role ${role}`)
  else add('as', text('role'))
  if (typeof admin === 'boolean' && (admin || kind === 'user.admin-set'))
    words.push(admin ? '(administrator)' : '(no administrator)')
  if (typeof limit === 'number') words.push(`${limit} bytes`)
  add('invite', text('invite'))
  return words.join(' ')
}

function userLabel(tables: Readable, id: string): string {
  const row = tables.get('users', id)
  return row ? userName(tables, row) : id
}

function projectLabel(tables: Readable, id: string): string {
  const row = tables.get('projects', id)
  return row ? projectName(tables, row) : id
}
