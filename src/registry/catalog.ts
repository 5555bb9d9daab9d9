import type { Journal } from '../journal/journal.ts'
import { claimKey } from '../journal/names.ts'
import type { RepositoryName } from '../oci/name.ts'
import { type Page, type PageRequest, pageSize, takePage } from './page.ts'
import { nameOfKey } from './place.ts'

/** All repositories of the registry that hold something. */
export class Catalog {
  readonly #journal: Journal

  constructor(parts: { readonly journal: Journal }) {
    this.#journal = parts.journal
  }

  /**
   * By project, then by path: an order in which a page costs what it shows.
   * @param visible whether the caller may know of a repository
   */
  async list(
    request: PageRequest,
    visible: (name: RepositoryName) => boolean,
  ): Promise<Page<RepositoryName>> {
    return takePage(
      this.#names(request.last),
      pageSize(request),
      (name) => (visible(name) ? name : undefined),
      (name) => name,
    )
  }

  async *#names(last: string | undefined): AsyncIterable<RepositoryName> {
    const { tables } = this.#journal
    const [project, path] = splitOnce(last ?? '')
    const prefix = claimKey('project-name', '')
    for await (const { key, row: claims } of tables.list('claims', { prefix })) {
      const named = key.slice(prefix.length)
      const id = claims[0]?.id
      if (id === undefined || named < project) continue
      const after = named === project ? { after: `${id}/${path}` } : {}
      for await (const { row } of tables.list('repositories', { prefix: `${id}/`, ...after })) {
        const name = row.manifests > 0 ? nameOfKey(tables, row.key) : undefined
        if (name !== undefined) yield name
      }
    }
  }
}

function splitOnce(name: string): [project: string, path: string] {
  const slash = name.indexOf('/')
  return slash < 0 ? [name, ''] : [name.slice(0, slash), name.slice(slash + 1)]
}
