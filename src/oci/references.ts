import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import type { Manifest } from './manifest.ts'
import { isManifestMediaType, isNonDistributable } from './media-types.ts'

/** What a manifest needs its repository to hold. Its subject is not among it: that may come later, or never. */
export interface ManifestNeeds {
  readonly blobs: readonly Digest[]
  readonly manifests: readonly Digest[]
  /** Index entries of a type that is no manifest's: the specification allows them, and either will do. */
  readonly either: readonly Digest[]
}

/** Every digest once, in the order of the manifest. */
export function needsOf(manifest: Manifest): ManifestNeeds {
  const layers = manifest.layers.filter((layer) => !isNonDistributable(layer.mediaType))
  const config = manifest.config ? [manifest.config] : []
  return {
    blobs: digests([...config, ...layers]),
    manifests: digests(manifest.manifests.filter((child) => isManifestMediaType(child.mediaType))),
    either: digests(manifest.manifests.filter((child) => !isManifestMediaType(child.mediaType))),
  }
}

function digests(descriptors: readonly Descriptor[]): Digest[] {
  return [...new Set(descriptors.map((descriptor) => descriptor.digest))]
}
