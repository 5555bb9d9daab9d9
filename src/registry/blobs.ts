import { Fault, isFault } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { op } from '../journal/kinds.ts'
import { CATALOG } from '../journal/op.ts'
import { inRepository } from '../journal/rows.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Content, PulledBlob } from './content.ts'
import { nameOfKey, type Place, placeOf } from './place.ts'
import { requireResidency } from './residency.ts'

/** How many holders of a blob a mount without `from` asks about before the client is told to upload. */
const MOUNT_HOLDERS_MAX = 1_000

/**
 * Blobs of a repository. A repository has a blob when a link says so, never because the bytes happen to be
 * on this node.
 */
export class Blobs {
  readonly #journal: Journal
  readonly #content: Content

  constructor(parts: { readonly journal: Journal; readonly content: Content }) {
    this.#journal = parts.journal
    this.#content = parts.content
  }

  /** @throws Fault NAME_UNKNOWN, BLOB_UNKNOWN */
  async stat(name: RepositoryName, digest: Digest): Promise<{ readonly size: number }> {
    return { size: this.#linked(placeOf(this.#journal.tables, name), digest).size }
  }

  /** @throws Fault NAME_UNKNOWN, BLOB_UNKNOWN, BLOB_UNAVAILABLE, RESIDENCY_FORBIDS */
  async open(name: RepositoryName, digest: Digest, signal?: AbortSignal): Promise<PulledBlob> {
    const place = placeOf(this.#journal.tables, name)
    this.#linked(place, digest)
    await requireResidency(this.#journal, place.projectId)
    return this.#content.open(digest, signal)
  }

  /** Makes `name` have the blob, whose bytes are durable here. */
  async link(name: RepositoryName, digest: Digest, size: number, actor: string): Promise<void> {
    const place = placeOf(this.#journal.tables, name)
    // Written even where a link stands: a delete elsewhere that has not seen this push must not undo it.
    await this.#journal.commit(CATALOG, () => [op('blob.linked', { ...body(place), digest, size }, actor)])
  }

  /**
   * Makes a blob of another repository one of `name` too, without its bytes being sent again.
   * @param from where to look; without it, in every repository the caller may read
   * @param mayPull whether the caller may read a repository: without asking, a digest alone would read it
   * @returns whether there was something to mount
   * @throws Fault NAME_UNKNOWN, RESIDENCY_FORBIDS
   */
  async mount(
    name: RepositoryName,
    digest: Digest,
    caller: { readonly principal: string; mayPull(repository: string): boolean },
    from?: RepositoryName,
  ): Promise<boolean> {
    const place = placeOf(this.#journal.tables, name)
    await requireResidency(this.#journal, place.projectId)
    const mayPull = (repository: string) => caller.mayPull(repository)
    const source = from ? this.#readable(from, mayPull) : await this.#holderFor(digest, mayPull)
    if (source === undefined) return false
    const { principal } = caller
    const { ids } = await this.#journal.commit(CATALOG, (tables) => {
      const link = tables.get('links', inRepository(source, digest))
      return link ? [op('blob.linked', { ...body(place), digest, size: link.size }, principal)] : []
    })
    return ids.length > 0
  }

  /** @throws Fault NAME_UNKNOWN, BLOB_UNKNOWN */
  async delete(name: RepositoryName, digest: Digest, actor: string): Promise<void> {
    const place = placeOf(this.#journal.tables, name)
    await this.#journal.commit(CATALOG, (tables) => {
      if (!tables.get('links', inRepository(place.key, digest))) throw unknownBlob(place, digest)
      return [op('blob.unlinked', { ...body(place), digest }, actor)]
    })
  }

  #linked(place: Place, digest: Digest): { readonly size: number } {
    const link = this.#journal.tables.get('links', inRepository(place.key, digest))
    if (!link) throw unknownBlob(place, digest)
    return link
  }

  #readable(name: RepositoryName, mayPull: (repository: string) => boolean): string | undefined {
    if (!mayPull(name)) return undefined
    try {
      return placeOf(this.#journal.tables, name).key
    } catch (error) {
      if (isFault(error, 'NAME_UNKNOWN')) return undefined
      throw error
    }
  }

  async #holderFor(digest: Digest, mayPull: (repository: string) => boolean): Promise<string | undefined> {
    const { tables } = this.#journal
    const holders = tables.list('holders', { prefix: inRepository(digest, ''), limit: MOUNT_HOLDERS_MAX })
    for await (const { row } of holders) {
      const name = nameOfKey(tables, row.repositoryKey)
      if (name !== undefined && mayPull(name)) return row.repositoryKey
    }
    return undefined
  }
}

/** What every op in a repository begins with. */
export function body({ projectId, path }: Place): { projectId: string; path: string } {
  return { projectId, path }
}

function unknownBlob(place: Place, digest: Digest): Fault {
  return new Fault('BLOB_UNKNOWN', 'the repository has no such blob', { name: place.name, digest })
}
