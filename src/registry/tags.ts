import { Fault } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { op } from '../journal/kinds.ts'
import { CATALOG } from '../journal/op.ts'
import { inRepository } from '../journal/rows.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { body } from './blobs.ts'
import { unknownManifest } from './manifests.ts'
import { type Page, type PageRequest, pageSize, takePage } from './page.ts'
import { placeOf } from './place.ts'

/** Names that people give to manifests. */
export class Tags {
  readonly #journal: Journal

  constructor(parts: { readonly journal: Journal }) {
    this.#journal = parts.journal
  }

  /**
   * In order of their bytes, as the specification asks.
   * @throws Fault NAME_UNKNOWN when nothing was ever pushed there
   */
  async list(name: RepositoryName, request: PageRequest): Promise<Page<string>> {
    const { tables } = this.#journal
    const place = placeOf(tables, name)
    if (!tables.get('repositories', place.key)) {
      throw new Fault('NAME_UNKNOWN', 'there is no such repository', { name })
    }
    const after = request.last === undefined ? {} : { after: inRepository(place.key, request.last) }
    const rows = tables.list('tags', { prefix: inRepository(place.key, ''), ...after })
    return takePage(
      rows,
      pageSize(request),
      ({ row }) => row.tag,
      (tag) => tag,
    )
  }

  /**
   * Points a tag at a manifest that is already there.
   * @throws Fault NAME_UNKNOWN, MANIFEST_UNKNOWN
   */
  async move(name: RepositoryName, tag: Tag, digest: Digest, actor: string): Promise<void> {
    const place = placeOf(this.#journal.tables, name)
    await this.#journal.commit(CATALOG, (tables) => {
      if (!tables.get('manifests', inRepository(place.key, digest))) throw unknownManifest(place, { digest })
      return [op('tag.moved', { ...body(place), tag, digest }, actor)]
    })
  }

  /** @throws Fault NAME_UNKNOWN, MANIFEST_UNKNOWN */
  async delete(name: RepositoryName, tag: Tag, actor: string): Promise<void> {
    const place = placeOf(this.#journal.tables, name)
    await this.#journal.commit(CATALOG, (tables) => {
      if (!tables.get('tags', inRepository(place.key, tag))) throw unknownManifest(place, { tag })
      return [op('tag.deleted', { ...body(place), tag }, actor)]
    })
  }
}
