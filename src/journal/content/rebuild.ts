import type { Base } from '../feed-log.ts'
import { type Op, opsOf } from '../op.ts'
import { reduce } from '../reduce.ts'
import type { Past } from '../replay.ts'
import type { IneffectiveRow, TableName, TagRow } from '../rows.ts'
import { Draft, type TableStore } from '../table-store.ts'
import { isDisputed } from './disputes.ts'
import { mayWrite } from './membership.ts'

/** Tables whose rows belong to a repository and begin with its key. */
const OF_REPOSITORY = [
  'repositories',
  'links',
  'manifests',
  'tags',
  'tagged',
  'referrers',
  'disputes',
] as const

/** Where an op of the catalog belongs: `<project id>/<path>`; undefined for one without form. */
export function repositoryOf(op: Op): string | undefined {
  const { projectId, path } = Object(op.body) as { projectId?: unknown; path?: unknown }
  return typeof projectId === 'string' && typeof path === 'string' ? `${projectId}/${path}` : undefined
}

/** What is to be put right about something an author wrote. */
export interface Disputed {
  /** Repositories in which something counts now and did not before, or the other way round. */
  readonly repositories: Set<string>
  /** Ops that still do not count, but for another reason than is listed. */
  readonly relisted: Map<string, IneffectiveRow>
}

export function disputed(tables: Pick<TableStore, 'get'>, ops: readonly Op[], so: Disputed): void {
  for (const op of ops) {
    const listed = tables.get('ineffective', `catalog/${op.id}`)
    if (listed?.reason === 'form' || listed?.reason === 'unknown') continue
    const was = listed === undefined || listed.reason === 'immutable'
    const refused = mayWrite(tables, op)
    const repository = repositoryOf(op)
    if (was !== (refused === null) && repository !== undefined) so.repositories.add(repository)
    else if (listed && refused && !was) so.relisted.set(`catalog/${op.id}`, { ...listed, ...refused })
  }
}

/**
 * Rows of some repositories made from nothing, or from what a snapshot had, beside the tables: the rights are read
 * from the tables, the rows of these repositories only from here.
 */
export class Rebuilding {
  readonly #tables: TableStore
  readonly #repositories: ReadonlySet<string>
  readonly draft: Draft

  constructor(tables: TableStore, repositories: ReadonlySet<string>) {
    this.#tables = tables
    this.#repositories = repositories
    this.draft = new Draft({
      get: (table, key) => (this.#isAway(table, key) ? undefined : tables.get(table, key)),
    })
  }

  /** Takes over what a lane amounted to where its older entries were let go. */
  async begin(base: Base): Promise<void> {
    for (const repository of this.#repositories) {
      for (const table of OF_REPOSITORY) {
        for await (const { key, row } of base.rows(table, repository)) {
          if (!belongs(key, repository)) continue
          this.draft.put(table, key, row)
          if (table === 'tags') this.#dispute(key, row as TagRow)
          if (table !== 'links') continue
          const holder = `${key.slice(repository.length + 1)}\u0000${repository}`
          this.draft.put('holders', holder, { repositoryKey: repository })
        }
      }
    }
  }

  /** Applies what of an entry belongs to the repositories. */
  apply({ entry, past }: Past): void {
    for (const op of opsOf(entry, past)) {
      const repository = repositoryOf(op)
      if (repository === undefined || !this.#repositories.has(repository)) continue
      this.draft.delete('ineffective', `catalog/${op.id}`)
      reduce(this.draft, op, {})
    }
  }

  /** Everything that stands in the tables and was not made again goes. */
  async finish(): Promise<Draft> {
    for (const repository of this.#repositories) {
      for (const table of OF_REPOSITORY) {
        for await (const { key } of this.#tables.list(table, { prefix: repository })) {
          if (!belongs(key, repository)) continue
          if (!this.draft.has(table, key)) this.draft.delete(table, key)
          if (table !== 'links') continue
          const holder = `${key.slice(repository.length + 1)}\u0000${repository}`
          if (!this.draft.has('holders', holder)) this.draft.delete('holders', holder)
        }
      }
    }
    return this.draft
  }

  /** A base has the rows all nodes share, not what is worked out from them. */
  #dispute(key: string, row: TagRow): void {
    if (isDisputed(this.#tables, row)) this.draft.put('disputes', key, { tag: row.tag })
  }

  #isAway(table: TableName, key: string): boolean {
    if (table === 'holders') return this.#repositories.has(key.slice(key.indexOf('\u0000') + 1))
    if (!(OF_REPOSITORY as readonly TableName[]).includes(table)) return false
    const end = key.indexOf('\u0000')
    return this.#repositories.has(end < 0 ? key : key.slice(0, end))
  }
}

function belongs(key: string, repository: string): boolean {
  return key === repository || key.startsWith(`${repository}\u0000`)
}
