import { z } from 'zod'
import { type Digest, isDigest } from './digest.ts'

/** RFC 6838 section 4.2, with its lengths. */
const MEDIA_TYPE = /^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}\/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}$/

export const mediaTypeSchema = z.string().regex(MEDIA_TYPE, 'not a media type (RFC 6838)')

export const annotationsSchema = z.record(z.string(), z.string())

const digestSchema = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a digest')

/** image-spec, descriptor.md. Fields we do not know are kept: the original bytes are what is served. */
export const descriptorSchema = z
  .looseObject({
    mediaType: mediaTypeSchema,
    digest: digestSchema,
    size: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    urls: z.array(z.string()).nullish(),
    annotations: annotationsSchema.nullish(),
    data: z.base64().nullish(),
    artifactType: z.union([mediaTypeSchema, z.literal('')]).nullish(),
    platform: z.looseObject({}).nullish(),
  })
  .superRefine((descriptor, context) => {
    if (typeof descriptor.data !== 'string') return
    const length = Buffer.byteLength(descriptor.data, 'base64')
    if (length !== descriptor.size) {
      context.addIssue({ code: 'custom', message: 'data is not as long as size says', path: ['data'] })
    }
  })

export type Descriptor = z.infer<typeof descriptorSchema>

export const DESCRIPTOR_FIELDS = Object.keys(descriptorSchema.shape)
