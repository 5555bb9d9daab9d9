import { Fault } from '../errors.ts'
import type { Tables } from '../journal/journal.ts'
import { claimKey } from '../journal/names.ts'
import { isRepositoryName, parseRepositoryName, printable, type RepositoryName } from '../oci/name.ts'

/** A repository where the tables keep it: its project by id, so that a rename or a reused name moves nothing. */
export interface Place {
  readonly name: RepositoryName
  readonly projectId: string
  /** The name below the project. */
  readonly path: string
  /** `<project id>/<path>`, the key of the `repositories` table. */
  readonly key: string
}

/**
 * A repository's name as clients give it: the project is its first segment.
 * @throws Fault NAME_INVALID
 */
export function parseProjectRepository(text: string): RepositoryName {
  const name = parseRepositoryName(text)
  if (name.includes('/')) return name
  throw new Fault('NAME_INVALID', `name the project as well: push to <project>/${name}`, { name })
}

/** @throws Fault NAME_UNKNOWN when there is no such project */
export function placeOf(tables: Pick<Tables, 'get'>, name: RepositoryName): Place {
  const slash = name.indexOf('/')
  const project = name.slice(0, slash)
  const path = name.slice(slash + 1)
  const projectId = tables.get('claims', claimKey('project-name', project))?.[0]?.id
  const row = projectId === undefined ? undefined : tables.get('projects', projectId)
  if (projectId === undefined || !row || row.deleted) {
    throw new Fault('NAME_UNKNOWN', `there is no project ${project}`, { name: printable(name) })
  }
  return { name, projectId, path, key: `${projectId}/${path}` }
}

/** The name a repository key is reached by; undefined while its project holds none. */
export function nameOfKey(tables: Pick<Tables, 'get'>, key: string): RepositoryName | undefined {
  const slash = key.indexOf('/')
  const projectId = key.slice(0, slash)
  const row = tables.get('projects', projectId)
  if (!row || row.deleted) return undefined
  if (tables.get('claims', claimKey('project-name', row.name))?.[0]?.id !== projectId) return undefined
  const name = `${row.name}/${key.slice(slash + 1)}`
  return isRepositoryName(name) ? name : undefined
}
