import type { Tables } from '../journal/journal.ts'

/** A repository as a project lists it. */
export interface Repository {
  /** Id of the op that first pushed to it. */
  readonly id: string
  /** Below the project. */
  readonly path: string
  readonly artifacts: number
  readonly tags: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** What of a project's repositories holds something, by path. */
export async function* repositoriesOf(tables: Tables, projectId: string): AsyncIterable<Repository> {
  const prefix = `${projectId}/`
  for await (const { key, row } of tables.list('repositories', { prefix })) {
    if (row.manifests === 0) continue
    yield {
      id: row.created.id,
      path: key.slice(prefix.length),
      artifacts: row.manifests,
      tags: row.tags,
      createdAt: row.created.time,
      updatedAt: row.updatedAt,
    }
  }
}
