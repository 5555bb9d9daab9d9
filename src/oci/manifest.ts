import { z } from 'zod'
import { Fault, isFault } from '../errors.ts'
import { MANIFEST_BYTES_MAX } from '../limits.ts'
import {
  annotationsSchema,
  DESCRIPTOR_FIELDS,
  type Descriptor,
  descriptorSchema,
  mediaTypeSchema,
} from './descriptor.ts'
import { parseStrictJson } from './json.ts'
import {
  essenceOf,
  formOf,
  isManifestMediaType,
  type ManifestForm,
  type ManifestMediaType,
} from './media-types.ts'
import { printable } from './name.ts'

/** A manifest that every client reads the same way, with the bytes its digest is of. */
export interface Manifest {
  readonly mediaType: ManifestMediaType
  readonly form: ManifestForm
  readonly bytes: Uint8Array
  /** Image only. */
  readonly config: Descriptor | undefined
  /** Image only; in order. */
  readonly layers: readonly Descriptor[]
  /** Index only: its children, in order. */
  readonly manifests: readonly Descriptor[]
  readonly subject: Descriptor | undefined
  /** As a referrers list shows it: an image without one takes its config's media type, an index has none. */
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>>
}

// An empty artifactType means none (distribution-spec, "Listing Referrers"). Go writes a missing list,
// map or pointer as null, so null counts as absent throughout.
const shared = {
  schemaVersion: z.literal(2),
  mediaType: z.string().nullish(),
  artifactType: z.union([mediaTypeSchema, z.literal('')]).nullish(),
  subject: descriptorSchema.nullish(),
  annotations: annotationsSchema.nullish(),
}
const never = z.null('belongs to another form of manifest').optional()

const imageSchema = z.looseObject({
  ...shared,
  config: descriptorSchema,
  layers: z.array(descriptorSchema).nullable(),
  manifests: never,
  fsLayers: never,
  history: never,
})
const indexSchema = z.looseObject({
  ...shared,
  manifests: z.array(descriptorSchema).nullable(),
  config: never,
  layers: never,
  fsLayers: never,
  history: never,
})

const DOCUMENT_FIELDS = [...new Set([...Object.keys(imageSchema.shape), ...Object.keys(indexSchema.shape)])]

/**
 * The only way to a Manifest. Refuses whatever two readers could take for two things (CVE-2021-41190):
 * a type in the body that is not the one in the header, fields of both forms, the same key twice, keys
 * that a reader which folds case would take for a field.
 * @param contentType of the request; without it the body's own mediaType counts
 * @throws Fault MANIFEST_INVALID, MANIFEST_TOO_LARGE
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new Fault('MANIFEST_TOO_LARGE', `a manifest has at most ${MANIFEST_BYTES_MAX} bytes`, {
      size: bytes.length,
    })
  }
  const document = parseDocument(bytes)
  const mediaType = agreedMediaType(document, contentType)
  return formOf(mediaType) === 'image'
    ? imageManifest(bytes, mediaType, check(imageSchema, document))
    : indexManifest(bytes, mediaType, check(indexSchema, document))
}

function parseDocument(bytes: Uint8Array): Record<string, unknown> {
  let document: unknown
  try {
    document = parseStrictJson(bytes)
  } catch (error) {
    if (isFault(error, 'JSON_INVALID')) throw new Fault('MANIFEST_INVALID', error.message, error.facts, error)
    throw error
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new Fault('MANIFEST_INVALID', 'a manifest is a JSON object')
  }
  refuseLookalikes(document, DOCUMENT_FIELDS)
  const { config, layers, manifests, subject } = document as Record<string, unknown>
  for (const descriptor of [config, subject, layers, manifests].flat()) {
    if (typeof descriptor === 'object' && descriptor !== null) refuseLookalikes(descriptor, DESCRIPTOR_FIELDS)
  }
  return document as Record<string, unknown>
}

/** Go's decoder takes `Layers` for `layers`, and folds two letters beyond ASCII as well: ſ and the Kelvin sign. */
function refuseLookalikes(value: object, fields: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (fields.includes(key)) continue
    const folded = key.replaceAll('\u017F', 's').replaceAll('\u212A', 'k').toLowerCase()
    if (fields.some((field) => field.toLowerCase() === folded)) {
      throw new Fault('MANIFEST_INVALID', 'a key differs from a field of the specification only in case', {
        key: printable(key),
      })
    }
  }
}

function agreedMediaType(
  document: Record<string, unknown>,
  contentType: string | undefined,
): ManifestMediaType {
  const inBody = document['mediaType'] ?? undefined
  const inHeader = contentType === undefined ? undefined : essenceOf(contentType)
  if (inBody !== undefined && inHeader !== undefined && inBody !== inHeader) {
    throw new Fault(
      'MANIFEST_INVALID',
      'the mediaType of the manifest is not the Content-Type of the request',
      {
        mediaType: printable(inBody),
        contentType: printable(inHeader),
      },
    )
  }
  const mediaType = inHeader ?? inBody
  if (typeof mediaType === 'string' && isManifestMediaType(mediaType)) return mediaType
  throw new Fault(
    'MANIFEST_INVALID',
    'this registry takes OCI image manifests and indexes and Docker schema 2',
    {
      mediaType: printable(mediaType),
    },
  )
}

function check<T extends z.ZodType>(schema: T, document: unknown): z.infer<T> {
  const checked = schema.safeParse(document)
  if (checked.success) return checked.data
  const problems = checked.error.issues.slice(0, 8)
  throw new Fault('MANIFEST_INVALID', 'the manifest does not follow its specification', {
    problems: problems.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
  })
}

function imageManifest(
  bytes: Uint8Array,
  mediaType: ManifestMediaType,
  image: z.infer<typeof imageSchema>,
): Manifest {
  return {
    mediaType,
    form: 'image',
    bytes,
    config: image.config,
    layers: image.layers ?? [],
    manifests: [],
    subject: image.subject ?? undefined,
    artifactType: image.artifactType || image.config.mediaType,
    annotations: image.annotations ?? {},
  }
}

function indexManifest(
  bytes: Uint8Array,
  mediaType: ManifestMediaType,
  index: z.infer<typeof indexSchema>,
): Manifest {
  return {
    mediaType,
    form: 'index',
    bytes,
    config: undefined,
    layers: [],
    manifests: index.manifests ?? [],
    subject: index.subject ?? undefined,
    artifactType: index.artifactType || undefined,
    annotations: index.annotations ?? {},
  }
}
