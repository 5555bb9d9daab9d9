/** Media types of the manifests this registry takes; anything else is refused rather than guessed at. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'

/** What a blob of unknown type is served as. */
export const OCTET_STREAM = 'application/octet-stream'
/** The config of an artifact that has none. */
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'

export type ManifestMediaType =
  | typeof OCI_MANIFEST
  | typeof OCI_INDEX
  | typeof DOCKER_MANIFEST
  | typeof DOCKER_LIST

/** An image describes one thing by config and layers; an index lists manifests. */
export type ManifestForm = 'image' | 'index'

const FORMS: Readonly<Record<ManifestMediaType, ManifestForm>> = {
  [OCI_MANIFEST]: 'image',
  [DOCKER_MANIFEST]: 'image',
  [OCI_INDEX]: 'index',
  [DOCKER_LIST]: 'index',
}

/** Layers that their licence keeps where they are; clients fetch them from their `urls`, never from us. */
const NON_DISTRIBUTABLE = [
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
]

const SUFFIX = /^(?:[.+](?:gzip|zstd))?$/

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return Object.hasOwn(FORMS, text)
}

export function formOf(mediaType: ManifestMediaType): ManifestForm {
  return FORMS[mediaType]
}

/** Whether a layer of this type is allowed to be absent, with or without a compression suffix. */
export function isNonDistributable(mediaType: string): boolean {
  return NON_DISTRIBUTABLE.some(
    (base) => mediaType.startsWith(base) && SUFFIX.test(mediaType.slice(base.length)),
  )
}

/** The type of a Content-Type header, without its parameters, in lower case as RFC 9110 compares it. */
export function essenceOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
}
