import { z } from 'zod'
import { count, digest, line, repository, tag } from './fields.ts'
import { catalog } from './kind.ts'

export const catalogKinds = {
  'blob.linked': catalog(z.strictObject({ ...repository, digest, size: count })),
  'blob.unlinked': catalog(z.strictObject({ ...repository, digest })),
  'manifest.put': catalog(
    z.strictObject({
      ...repository,
      digest,
      mediaType: line(255),
      size: count,
      artifactType: line(255).nullable(),
      subject: digest.nullable(),
      annotations: z.record(z.string().max(1024), z.string().max(65536)),
      references: z.array(digest).max(4096),
    }),
  ),
  'manifest.deleted': catalog(z.strictObject({ ...repository, digest })),
  'tag.moved': catalog(z.strictObject({ ...repository, tag, digest })),
  'tag.deleted': catalog(z.strictObject({ ...repository, tag })),
} as const
