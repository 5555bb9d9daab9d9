import type { Acting } from '../access/principal.ts'
import { Fault } from '../errors.ts'
import {
  isPublic,
  metadataOf,
  projectByName,
  projectByNumber,
  projectName,
  type Readable,
} from '../journal/effective.ts'
import type { Journal } from '../journal/journal.ts'
import { op, projectName as projectNameSchema } from '../journal/kinds.ts'
import { claimKey } from '../journal/names.ts'
import { drawNumbers } from '../journal/numbers.ts'
import { AUTHORITY } from '../journal/op.ts'
import type { ProjectRow } from '../journal/rows.ts'
import type { Random } from '../runtime/random.ts'
import { checkSettings } from './settings.ts'

export interface Project {
  readonly id: string
  readonly number: number
  readonly name: string
  readonly ownerId: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly public: boolean
  readonly metadata: ReadonlyMap<string, string>
}

export interface NewProject {
  readonly name: string
  /** Harbor's string-valued metadata; not public unless it says so. */
  readonly metadata?: Iterable<readonly [string, string]>
  /** Only the first project has one given: 1, as in Harbor. */
  readonly number?: number
}

/** The projects of the cluster. Every change is one commit, with its conditions checked in that commit's turn. */
export class Projects {
  readonly #journal: Journal
  readonly #random: Random

  constructor(parts: { journal: Journal; random: Random }) {
    this.#journal = parts.journal
    this.#random = parts.random
  }

  /**
   * What a request calls a project: a number, unless told that it is a name, else a name.
   * @param isName Harbor's X-Is-Resource-Name
   */
  find(nameOrNumber: string, isName = false): Project | undefined {
    const { tables } = this.#journal
    const number = !isName && /^[1-9]\d{0,9}$/.test(nameOrNumber) ? Number(nameOrNumber) : undefined
    const row = number === undefined ? projectByName(tables, nameOrNumber) : projectByNumber(tables, number)
    return row && this.#project(row)
  }

  async *all(): AsyncIterable<Project> {
    for await (const { row } of this.#journal.tables.list('projects')) {
      if (!row.deleted) yield this.#project(row)
    }
  }

  /**
   * @param owner user id; becomes the project's first administrator
   * @throws Fault BAD_REQUEST, CONFLICT when the name is taken
   */
  async create({ name, metadata = [], number }: NewProject, owner: string, by: Acting): Promise<Project> {
    checkName(name)
    const settings = { public: 'false', ...checkSettings(metadata) }
    const numbers = number === undefined ? drawNumbers(this.#random) : [number]
    const [ownerMember = 1] = drawNumbers(this.#random)
    const { ids } = await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      keepFree(tables, name)
      const free = numbers.find((one) => !tables.get('claims', claimKey('project-number', one)))
      if (free === undefined) throw new Fault('CONFLICT', 'no free project number was drawn; try again')
      if (tables.get('users', owner)?.deleted !== false) {
        throw new Fault('BAD_REQUEST', 'a project needs an owner, and there is no such user')
      }
      return [op('project.created', { name, number: free, owner, ownerMember, metadata: settings }, by.actor)]
    })
    return this.#project(this.#journal.tables.get('projects', ids[0] as string) as ProjectRow)
  }

  /** @throws Fault NOT_FOUND, BAD_REQUEST */
  async update(id: string, metadata: Iterable<readonly [string, string]>, by: Acting): Promise<void> {
    const settings = checkSettings(metadata)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      living(tables, id)
      if (Object.keys(settings).length === 0) return []
      return [op('project.metadata-set', { project: id, metadata: settings }, by.actor)]
    })
  }

  /**
   * Another name for a project that lost its own to another site's. One that holds its name keeps it: what somebody
   * pulls by must never lead to another project.
   * @throws Fault NOT_FOUND, BAD_REQUEST, CONFLICT when the name is taken, PRECONDITION for one that holds its name
   */
  async rename(id: string, name: string, by: Acting): Promise<void> {
    checkName(name)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const row = living(tables, id)
      if (tables.get('claims', claimKey('project-name', row.name))?.[0]?.id === id) {
        throw new Fault('PRECONDITION', 'the project holds its name, and is pulled from by it')
      }
      keepFree(tables, name)
      return [op('project.renamed', { project: id, name }, by.actor)]
    })
  }

  /** @throws Fault NOT_FOUND, PRECONDITION while a repository of it holds something */
  async delete(id: string, by: Acting): Promise<void> {
    const repositories: string[] = []
    for await (const { key } of this.#journal.tables.list('repositories', { prefix: `${id}/` })) {
      repositories.push(key)
    }
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      living(tables, id)
      if (repositories.some((key) => (tables.get('repositories', key)?.manifests ?? 0) > 0)) {
        throw new Fault('PRECONDITION', 'the project contains repositories, can not be deleted')
      }
      return [op('project.deleted', { project: id }, by.actor)]
    })
  }

  #project(row: ProjectRow): Project {
    const { tables } = this.#journal
    return {
      id: row.id,
      number: row.number,
      name: projectName(tables, row),
      ownerId: row.ownerId,
      createdAt: row.createdAt,
      updatedAt: row.updatedAt,
      public: isPublic(tables, row),
      metadata: metadataOf(tables, row),
    }
  }
}

function checkName(name: string): void {
  if (projectNameSchema.safeParse(name).success) return
  throw new Fault(
    'BAD_REQUEST',
    'a project name is 1 to 255 lower-case letters and digits, separated by . _ or -',
  )
}

function keepFree(tables: Readable, name: string): void {
  if (!tables.get('claims', claimKey('project-name', name))) return
  throw new Fault('CONFLICT', `the project name ${name} is taken`, { name })
}

/** @throws Fault NOT_FOUND */
export function living(tables: Readable, id: string): ProjectRow {
  const row = tables.get('projects', id)
  if (!row || row.deleted) throw new Fault('NOT_FOUND', 'there is no such project')
  return row
}
