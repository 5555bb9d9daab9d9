import type { Journal } from '../journal/journal.ts'
import type { BlobSource } from './blob-source.ts'
import type { BlobStore } from './blob-store.ts'
import { Blobs } from './blobs.ts'
import { Catalog } from './catalog.ts'
import { Content } from './content.ts'
import type { Durability } from './durability.ts'
import { Manifests } from './manifests.ts'
import { Referrers } from './referrers.ts'
import { Tags } from './tags.ts'
import type { UploadStore } from './upload-store.ts'
import { Uploads } from './uploads.ts'

export interface RegistryParts {
  readonly journal: Journal
  readonly blobs: BlobStore
  readonly uploads: UploadStore
  readonly source: BlobSource
  readonly durability: Durability
}

/**
 * What a registry promises, noun by noun. It knows nothing of HTTP and nothing of rights: whoever calls has
 * asked `access` before.
 */
export interface Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly tags: Tags
  readonly referrers: Referrers
  readonly catalog: Catalog
}

export function createRegistry(parts: RegistryParts): Registry {
  const { journal, blobs: store, uploads, source, durability } = parts
  const content = new Content({ store, source })
  const blobs = new Blobs({ journal, content })
  return {
    blobs,
    uploads: new Uploads({ journal, store: uploads, blobs, content }),
    manifests: new Manifests({ journal, content, durability }),
    tags: new Tags({ journal }),
    referrers: new Referrers({ journal, content }),
    catalog: new Catalog({ journal }),
  }
}
