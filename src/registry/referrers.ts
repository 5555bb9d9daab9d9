import type { Journal } from '../journal/journal.ts'
import { inRepository, type Rows } from '../journal/rows.ts'
import { MANIFEST_BYTES_MAX } from '../limits.ts'
import { type Digest, parseDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Content } from './content.ts'
import { ANNOTATIONS_INLINE_BYTES_MAX } from './manifests.ts'
import { type Page, type PageRequest, pageSize } from './page.ts'
import { placeOf } from './place.ts'

/** A descriptor as the referrers list has it. */
export interface Referrer {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** What refers to a manifest as its subject: signatures, SBOMs, attestations. */
export class Referrers {
  readonly #journal: Journal
  readonly #content: Content

  constructor(parts: { readonly journal: Journal; readonly content: Content }) {
    this.#journal = parts.journal
    this.#content = parts.content
  }

  /**
   * The subject need not be here. A page is a manifest to its reader, so it ends before it would be larger
   * than one may be.
   * @throws Fault NAME_UNKNOWN
   */
  async list(
    name: RepositoryName,
    subject: Digest,
    request: PageRequest & { readonly artifactType?: string | undefined },
  ): Promise<Page<Referrer>> {
    const { tables } = this.#journal
    const place = placeOf(tables, name)
    const prefix = inRepository(place.key, subject, '')
    const after = request.last === undefined ? {} : { after: prefix + request.last }
    const limit = pageSize(request)
    const items: Referrer[] = []
    let bytes = 200
    for await (const { row } of tables.list('referrers', { prefix, ...after })) {
      if (request.artifactType !== undefined && row.artifactType !== request.artifactType) continue
      const referrer = await this.#describe(row)
      bytes += JSON.stringify(referrer).length + 1
      const full = items.length >= limit || (items.length > 0 && bytes > MANIFEST_BYTES_MAX)
      if (full) return { items, next: items.at(-1)?.digest }
      items.push(referrer)
    }
    return { items, next: undefined }
  }

  async #describe(row: Rows['referrers']): Promise<Referrer> {
    const annotations = await this.#annotations(row)
    return {
      mediaType: row.mediaType,
      digest: parseDigest(row.digest),
      size: row.size,
      ...(row.artifactType !== null && { artifactType: row.artifactType }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    }
  }

  /** Large ones are not in the record; a manifest whose bytes cannot be had is listed without them. */
  async #annotations(row: Rows['referrers']): Promise<Readonly<Record<string, string>>> {
    const complete = Object.keys(row.annotations).length > 0 || row.size <= ANNOTATIONS_INLINE_BYTES_MAX
    if (complete) return row.annotations
    try {
      const bytes = await this.#content.bytes(parseDigest(row.digest), MANIFEST_BYTES_MAX)
      return parseManifest(bytes, row.mediaType).annotations
    } catch {
      return {}
    }
  }
}
