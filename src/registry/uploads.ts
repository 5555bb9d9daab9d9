import { Fault } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Blobs } from './blobs.ts'
import type { Content } from './content.ts'
import { placeOf } from './place.ts'
import { requireResidency } from './residency.ts'
import type { UploadOwner, UploadState, UploadStore } from './upload-store.ts'

export interface UploadsParts {
  readonly journal: Journal
  readonly store: UploadStore
  readonly blobs: Blobs
  readonly content: Content
}

/** Blobs on their way in. An upload belongs to who began it, and to one repository; to others it is unknown. */
export class Uploads {
  readonly #journal: Journal
  readonly #store: UploadStore
  readonly #blobs: Blobs
  readonly #content: Content

  constructor(parts: UploadsParts) {
    this.#journal = parts.journal
    this.#store = parts.store
    this.#blobs = parts.blobs
    this.#content = parts.content
  }

  /** @throws Fault NAME_UNKNOWN, RESIDENCY_FORBIDS, UPLOADS_TOO_MANY, STORAGE_FULL */
  async start(owner: Owner, algorithm?: DigestAlgorithm): Promise<UploadState> {
    await requireResidency(this.#journal, placeOf(this.#journal.tables, owner.repository).projectId)
    return this.#store.create(owner, algorithm)
  }

  /** @throws Fault UPLOAD_UNKNOWN */
  async find(owner: Owner, id: string): Promise<UploadState> {
    const state = await this.#store.find(id)
    const own = state?.owner.principal === owner.principal && state.owner.repository === owner.repository
    if (!state || !own) throw new Fault('UPLOAD_UNKNOWN', 'there is no such upload', { id: id.slice(0, 64) })
    return state
  }

  /**
   * @param offset where the bytes belong; without it, where the upload stands
   * @param length how many bytes the client said there would be; with more or fewer none of them is kept
   * @throws Fault UPLOAD_UNKNOWN, RANGE_INVALID, UPLOAD_BUSY, STORAGE_FULL, SIZE_INVALID
   */
  async append(
    owner: Owner,
    id: string,
    part: {
      readonly bytes: AsyncIterable<Uint8Array>
      readonly offset?: number | undefined
      readonly length?: number | undefined
    },
    signal?: AbortSignal,
  ): Promise<UploadState> {
    const before = await this.find(owner, id)
    const { bytes, length } = part
    const offset = await this.#store.append(id, part.offset ?? before.offset, bytes, signal, length)
    return { ...before, offset }
  }

  /**
   * Proves the bytes, makes them durable and gives the repository the blob. After a failure to prove them
   * the upload is gone.
   * @throws Fault UPLOAD_UNKNOWN, UPLOAD_BUSY, DIGEST_INVALID, NAME_UNKNOWN, RESIDENCY_FORBIDS
   */
  async finish(owner: Owner, id: string, digest: Digest): Promise<{ readonly size: number }> {
    await this.find(owner, id)
    await requireResidency(this.#journal, placeOf(this.#journal.tables, owner.repository).projectId)
    const { size } = await this.#store.commit(id, digest)
    await this.#blobs.link(owner.repository, digest, size, owner.principal)
    this.#content.announce(digest, size)
    return { size }
  }

  /** @throws Fault UPLOAD_UNKNOWN, UPLOAD_BUSY */
  async cancel(owner: Owner, id: string): Promise<void> {
    await this.find(owner, id)
    await this.#store.cancel(id)
  }
}

export interface Owner extends UploadOwner {
  readonly repository: RepositoryName
}
