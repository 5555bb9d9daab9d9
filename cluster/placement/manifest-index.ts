import type { TableChange, Tables } from '../../src/journal/journal.ts'

/**
 * Which repositories have a manifest, by its digest: the tables have that for blobs only. Some 200 bytes a manifest, so
 * it is made when it is first needed.
 */
export class ManifestIndex {
  readonly #repositories = new Map<string, Set<string>>()
  /** Rows that changed while the table is read. */
  #changed: Set<string> | undefined

  /** `take` may be called meanwhile, and `build` as well: the last one counts. */
  async build(tables: Tables): Promise<void> {
    this.#repositories.clear()
    const changed = new Set<string>()
    this.#changed = changed
    for await (const { key } of tables.list('manifests')) {
      if (this.#changed !== changed) return
      if (!changed.has(key)) this.#add(key)
    }
    this.#changed = undefined
  }

  take({ key, row }: TableChange): void {
    this.#changed?.add(key)
    if (row) this.#add(key)
    else this.#remove(key)
  }

  repositoriesOf(digest: string): Iterable<string> {
    return this.#repositories.get(digest) ?? []
  }

  #add(key: string): void {
    const [repository, digest] = partsOf(key)
    const known = this.#repositories.get(digest)
    if (known) known.add(repository)
    else this.#repositories.set(digest, new Set([repository]))
  }

  #remove(key: string): void {
    const [repository, digest] = partsOf(key)
    const known = this.#repositories.get(digest)
    known?.delete(repository)
    if (known?.size === 0) this.#repositories.delete(digest)
  }
}

/** `<repository key>\0<digest>` */
function partsOf(key: string): [repository: string, digest: string] {
  const [repository = '', digest = ''] = key.split('\u0000')
  return [repository, digest]
}
