import { hash } from 'node:crypto'
import { Fault } from '../errors.ts'
import type { Journal, Tables } from '../journal/journal.ts'
import { type Body, op } from '../journal/kinds.ts'
import { CATALOG, type NewOp } from '../journal/op.ts'
import { placementOf } from '../journal/placement-policy.ts'
import { inRepository, type ManifestFacts } from '../journal/rows.ts'
import { MANIFEST_BYTES_MAX } from '../limits.ts'
import { algorithmOf, type Digest, parseDigest } from '../oci/digest.ts'
import { type Manifest, parseManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import { type ManifestNeeds, needsOf } from '../oci/references.ts'
import { body } from './blobs.ts'
import type { Content } from './content.ts'
import { type Durability, durabilityUnmet, type PushDurability, warningOf } from './durability.ts'
import { type Place, placeOf } from './place.ts'
import { requireResidency } from './residency.ts'

/** Annotations up to this go into the record itself; larger ones are read from the manifest's bytes. */
export const ANNOTATIONS_INLINE_BYTES_MAX = 16 * 1024
/** What the digests of a manifest's parts may take of an op: some 900 layers or children. */
const REFERENCES_BYTES_MAX = 64 * 1024
/** Tags set by one push; the specification asks for ten at least. */
const TAGS_OF_PUSH_MAX = 100
/** Tags that go with their manifest in one commit: an entry takes 256 ops. */
const TAGS_OF_DELETE_MAX = 200

export interface StoredManifest {
  readonly digest: Digest
  readonly facts: ManifestFacts
}

export interface PulledManifest extends StoredManifest {
  readonly bytes: Uint8Array
}

export interface PushedManifest {
  readonly digest: Digest
  /** Set where the manifest has a subject, whether that is here or not. */
  readonly subject: Digest | undefined
  readonly tags: readonly Tag[]
  /** What the client is to be told of it besides. */
  readonly warning: string | undefined
}

/** Manifests of a repository, and the tags that are set by pushing them. */
export class Manifests {
  readonly #journal: Journal
  readonly #content: Content
  readonly #durability: Durability

  constructor(parts: {
    readonly journal: Journal
    readonly content: Content
    readonly durability: Durability
  }) {
    this.#journal = parts.journal
    this.#content = parts.content
    this.#durability = parts.durability
  }

  /** @throws Fault NAME_UNKNOWN, MANIFEST_UNKNOWN */
  async stat(name: RepositoryName, reference: Reference): Promise<StoredManifest> {
    const { tables } = this.#journal
    const place = placeOf(tables, name)
    const digest = resolve(tables, place, reference)
    const facts = digest && tables.get('manifests', inRepository(place.key, digest))?.puts[0]?.value
    if (!digest || !facts) throw unknownManifest(place, reference)
    return { digest, facts }
  }

  /** @throws Fault NAME_UNKNOWN, MANIFEST_UNKNOWN, BLOB_UNAVAILABLE, RESIDENCY_FORBIDS */
  async get(name: RepositoryName, reference: Reference, signal?: AbortSignal): Promise<PulledManifest> {
    const stored = await this.stat(name, reference)
    await requireResidency(this.#journal, placeOf(this.#journal.tables, name).projectId)
    return { ...stored, bytes: await this.#content.bytes(stored.digest, MANIFEST_BYTES_MAX, signal) }
  }

  /**
   * @param push the bytes with their type as the client declares it; `digest` where it names one, and tags
   *   to move to the manifest
   * @throws Fault NAME_UNKNOWN, RESIDENCY_FORBIDS, MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN,
   *   STORAGE_FULL, DURABILITY_UNMET
   */
  async put(
    name: RepositoryName,
    push: {
      readonly bytes: Uint8Array
      readonly contentType: string | undefined
      readonly digest?: Digest | undefined
      readonly tags: readonly Tag[]
    },
    actor: string,
  ): Promise<PushedManifest> {
    const { tables } = this.#journal
    const place = placeOf(tables, name)
    await requireResidency(this.#journal, place.projectId)
    const digest = provenDigest(push.bytes, push.digest)
    const manifest = parseManifest(push.bytes, push.contentType)
    const needs = needsOf(manifest)
    const tags = [...new Set(push.tags)]
    const ops = pushOps(place, digest, manifest, needs, tags, actor)

    // Before the bytes are stored, and again where nothing can come in between.
    requirePresent(tables, place, needs)
    await this.#content.put(digest, push.bytes)
    const durable = this.#durability.begin(place.key)
    const short = await durable.bytes([...needs.blobs, ...needs.manifests, ...needs.either])
    if (short && this.#wouldRefuse(place)) throw durabilityUnmet(short, false)
    await this.#journal.commit(CATALOG, (now) => {
      requirePresent(now, place, needs)
      return ops
    })
    this.#content.announce(digest, push.bytes.length)
    const warning = await this.#settled(place, digest, durable)
    return { digest, subject: manifest.subject?.digest, tags, warning }
  }

  /** What is recorded stays, whatever comes of it elsewhere: a log takes nothing back. */
  async #settled(place: Place, digest: Digest, durable: PushDurability): Promise<string | undefined> {
    const short = await durable.records([digest])
    if (short && this.#wouldRefuse(place)) throw durabilityUnmet(short, true)
    return short && warningOf(short)
  }

  #wouldRefuse({ projectId }: Place): boolean {
    const project = this.#journal.tables.get('projects', projectId)
    return project !== undefined && placementOf(project).durability.fallback === 'refuse'
  }

  /**
   * Deletes a manifest and every tag that means it.
   * @throws Fault NAME_UNKNOWN, MANIFEST_UNKNOWN
   */
  async delete(name: RepositoryName, digest: Digest, actor: string): Promise<void> {
    const place = placeOf(this.#journal.tables, name)
    const at = inRepository(place.key, digest)
    if (!this.#journal.tables.get('manifests', at)) throw unknownManifest(place, { digest })
    let tags = await this.#tagsOf(place, digest)
    do {
      const some = tags.splice(0, TAGS_OF_DELETE_MAX)
      const last = tags.length === 0
      await this.#journal.commit(CATALOG, (now) => [
        ...some.flatMap((tag) => untagOps(now, place, tag, digest, actor)),
        ...(last && now.get('manifests', at)
          ? [op('manifest.deleted', { ...body(place), digest }, actor)]
          : []),
      ])
      // A push may have set a tag after the list was read; without its manifest that tag would mean nothing.
      if (last && !this.#journal.tables.get('manifests', at)) tags = await this.#tagsOf(place, digest)
    } while (tags.length > 0)
  }

  async #tagsOf(place: Place, digest: Digest): Promise<string[]> {
    const tags: string[] = []
    const prefix = inRepository(place.key, digest, '')
    for await (const { row } of this.#journal.tables.list('tagged', { prefix })) tags.push(row.tag)
    return tags
  }
}

/** The digest a reference stands for in this repository, whether its manifest is there or not. */
function resolve(tables: Pick<Tables, 'get'>, place: Place, reference: Reference): Digest | undefined {
  if ('digest' in reference) return reference.digest
  const value = tables.get('tags', inRepository(place.key, reference.tag))?.values[0]?.value
  return value === undefined ? undefined : parseDigest(value)
}

function provenDigest(bytes: Uint8Array, claimed: Digest | undefined): Digest {
  const algorithm = claimed ? algorithmOf(claimed) : 'sha256'
  const digest = parseDigest(`${algorithm}:${hash(algorithm, bytes, 'hex')}`)
  if (claimed && claimed !== digest) {
    throw new Fault('DIGEST_INVALID', 'the manifest does not give the digest', { claimed, digest })
  }
  return digest
}

/** @throws Fault MANIFEST_BLOB_UNKNOWN naming what is missing */
function requirePresent(tables: Pick<Tables, 'get'>, place: Place, needs: ManifestNeeds): void {
  const has = (table: 'links' | 'manifests') => (digest: Digest) =>
    tables.get(table, inRepository(place.key, digest)) !== undefined
  const hasBlob = has('links')
  const hasManifest = has('manifests')
  const missing = [
    ...needs.blobs.filter((digest) => !hasBlob(digest)),
    ...needs.manifests.filter((digest) => !hasManifest(digest)),
    ...needs.either.filter((digest) => !hasBlob(digest) && !hasManifest(digest)),
  ]
  if (missing.length > 0) {
    throw new Fault('MANIFEST_BLOB_UNKNOWN', 'the repository lacks what the manifest refers to', {
      missing: missing.slice(0, 16),
    })
  }
}

function pushOps(
  place: Place,
  digest: Digest,
  manifest: Manifest,
  needs: ManifestNeeds,
  tags: readonly Tag[],
  actor: string,
) {
  const references = [...needs.blobs, ...needs.manifests, ...needs.either]
  if (references.join().length > REFERENCES_BYTES_MAX) {
    throw new Fault('MANIFEST_INVALID', 'the manifest refers to more than this registry keeps track of', {
      references: references.length,
    })
  }
  if (tags.length > TAGS_OF_PUSH_MAX) {
    throw new Fault('TAGS_TOO_MANY', `one push sets at most ${TAGS_OF_PUSH_MAX} tags`, { tags: tags.length })
  }
  const put: Body<'manifest.put'> = {
    ...body(place),
    digest,
    mediaType: manifest.mediaType,
    size: manifest.bytes.length,
    artifactType: manifest.artifactType ?? null,
    subject: manifest.subject?.digest ?? null,
    annotations: inline(manifest.annotations),
    references,
  }
  return [
    op('manifest.put', put, actor),
    ...tags.map((tag) => op('tag.moved', { ...body(place), tag, digest }, actor)),
  ]
}

/** The annotations where they fit, none where they do not: half of them would be a lie. */
function inline(annotations: Manifest['annotations']): Record<string, string> {
  const bytes = Buffer.byteLength(JSON.stringify(annotations))
  const longestKey = Object.keys(annotations).reduce((longest, key) => Math.max(longest, key.length), 0)
  return bytes <= ANNOTATIONS_INLINE_BYTES_MAX && longestKey <= 1024 ? { ...annotations } : {}
}

/** Takes `digest` from a tag. Where another site set it elsewhere unaware of us, that value stays. */
function untagOps(
  tables: Pick<Tables, 'get'>,
  place: Place,
  tag: string,
  digest: Digest,
  actor: string,
): NewOp[] {
  const values = tables.get('tags', inRepository(place.key, tag))?.values ?? []
  if (values.every((one) => one.value !== digest)) return []
  const other = values.find((one) => one.value !== digest)
  return other
    ? [op('tag.moved', { ...body(place), tag, digest: parseDigest(other.value) }, actor)]
    : [op('tag.deleted', { ...body(place), tag }, actor)]
}

export function unknownManifest(place: Place, reference: Reference): Fault {
  return new Fault('MANIFEST_UNKNOWN', 'the repository has no such manifest', {
    name: place.name,
    ...reference,
  })
}
