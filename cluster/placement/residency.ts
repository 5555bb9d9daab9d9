import type { TableChange } from '../../src/journal/journal.ts'
import { CATALOG, TENANT } from '../../src/journal/op.ts'
import { residencyOf } from '../../src/journal/placement-policy.ts'
import { inRepository, type ProjectRow, type SnapshotRow } from '../../src/journal/rows.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { NodeId } from '../network/network.ts'
import { projectOf } from './catalog-walk.ts'
import { ManifestIndex } from './manifest-index.ts'
import type { Records } from './records.ts'

/** Nothing sorts behind it within a prefix. */
const LAST = '\u{10FFFF}'

/**
 * Which blobs may be where, by the tables alone. A node may have a blob when one of the projects that have it lets its
 * site; snapshots of the records are for every member. While no project restricts anything nobody is asked a question.
 */
export class Residency implements Startable {
  readonly #journal: Pick<Records, 'tables' | 'onChange' | 'lanes'>
  /** Sites by project, of those that name any; what a deleted project held stays where it was. */
  readonly #sites = new Map<string, ReadonlySet<string>>()
  readonly #snapshots = new Set<string>()
  readonly #manifests = new ManifestIndex()
  readonly #listeners = new Set<() => void>()
  /** Set while there are restrictions. */
  #indexed: Promise<void> | undefined
  #unfollow = () => {}

  constructor(journal: Pick<Records, 'tables' | 'onChange' | 'lanes'>) {
    this.#journal = journal
  }

  async start(): Promise<void> {
    const { tables } = this.#journal
    const changed = new Set<string>()
    const unfollow = this.#journal.onChange((changes) => {
      for (const change of changes) {
        if (change.table === 'projects') changed.add(change.key)
        this.#take(change)
      }
    })
    const unfollowLanes = this.#journal.lanes.onInstalled((lane) => {
      if (lane === CATALOG && this.#indexed) void this.#index()
    })
    this.#unfollow = () => {
      unfollow()
      unfollowLanes()
    }
    for await (const { row } of tables.list('snapshots')) this.#snapshots.add(row.digest)
    for await (const { key, row } of tables.list('projects')) if (!changed.has(key)) this.#rule(key, row)
    await this.#indexed
  }

  async stop(): Promise<void> {
    this.#unfollow()
    await this.#indexed?.catch(() => {})
  }

  async mayHold(node: NodeId, digest: Digest): Promise<boolean> {
    const row = this.#journal.tables.get('nodes', node)
    const isInScope = !row?.scope || row.scope.includes(TENANT)
    if ((this.#sites.size === 0 && isInScope) || this.#snapshots.has(digest)) return true
    if (!isInScope || !row) return false
    for await (const project of this.projectsOf(digest)) if (this.allows(project, row.site)) return true
    return false
  }

  /** Whether a project lets a site have its bytes. Of one that is not known nobody can say. */
  allows(project: string, site: string): boolean {
    const sites = this.#sites.get(project)
    return sites ? sites.has(site) : this.#journal.tables.get('projects', project) !== undefined
  }

  /** Ids of the projects that have a blob or manifest, a few of them more than once; none of one nobody has a record of. */
  async *projectsOf(digest: Digest): AsyncIterable<string> {
    const { tables } = this.#journal
    const prefix = inRepository(digest, '')
    let after: string | undefined
    for (;;) {
      let project: string | undefined
      const next = { prefix, limit: 1, ...(after !== undefined && { after }) }
      for await (const { row } of tables.list('holders', next)) project = projectOf(row.repositoryKey)
      if (project === undefined) break
      yield project
      // One look for each project, however many of its repositories have the blob.
      after = `${prefix}${project}/${LAST}`
    }
    await this.#whole()
    for (const repository of this.#manifests.repositoriesOf(digest)) yield projectOf(repository)
  }

  onTightened(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #take(change: TableChange): void {
    const { table, key, row } = change
    if (table === 'manifests' && this.#indexed) this.#manifests.take(change)
    if (table === 'snapshots' && row) this.#snapshots.add((row as SnapshotRow).digest)
    if (table === 'projects' && this.#rule(key, row as ProjectRow | undefined)) {
      for (const listener of this.#listeners) listener()
    }
  }

  /** @returns whether some may have less than before */
  #rule(project: string, row: ProjectRow | undefined): boolean {
    const before = this.#sites.get(project)
    const sites = row && residencyOf(row)
    if (!sites) {
      this.#sites.delete(project)
      return false
    }
    this.#sites.set(project, sites)
    if (!this.#indexed) void this.#index()
    return !before || [...before].some((site) => !sites.has(site))
  }

  /** Until the index is that of the records as they are: it may be begun anew while it is made. */
  async #whole(): Promise<void> {
    let indexed: Promise<void> | undefined
    while (indexed !== this.#indexed || !indexed) {
      indexed = this.#indexed ?? this.#index()
      await indexed
    }
  }

  #index(): Promise<void> {
    const indexed = this.#manifests.build(this.#journal.tables)
    this.#indexed = indexed
    // Who asks hears of it, and it is tried again then.
    indexed.catch(() => {
      if (this.#indexed === indexed) this.#indexed = undefined
    })
    return indexed
  }
}
