import { z } from 'zod'
import { Fault } from '../errors.ts'
import { isDigest } from '../oci/digest.ts'
import { AUTHORITY, CATALOG, type Lane } from './op.ts'

/** Ids are op ids, so a body can only name what an op once made. */
const id = z.string().regex(/^[A-Za-z0-9_-]{22}$/)
const nodeId = z.string().regex(/^[A-Za-z0-9]{20,100}$/)
/** Harbor's ids: positive 31-bit numbers. */
const number = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1)
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const digest = z.string().refine(isDigest, 'not a digest')
/** No control characters: records are shown to people and written to logs at other sites. */
const line = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}]*$/u)
const role = z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)])
const repository = {
  projectId: id,
  /** The path below the project. */
  path: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/),
}
const tag = z.string().regex(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/)
const address = z.string().min(1).max(300)

export const nodeFactsSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  site: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  addresses: z.array(address).max(16),
  swarm: z.array(address).max(16),
  url: z.string().max(300).nullable(),
  tokenKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
})

export const userName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}\s,"~#%$<>:/\\]+$/u, 'no spaces, control characters or , " ~ # % $ < > : / \\')
export const projectName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/, 'lower-case letters and digits, separated by . _ or -')

const passwordHash = z.string().max(300).startsWith('$argon2id$')
const metadata = z.record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/), line(1024))

interface Kind<T extends z.ZodType> {
  readonly lane: Lane
  readonly version: number
  readonly body: T
}

const authority = <T extends z.ZodType>(body: T): Kind<T> => ({ lane: AUTHORITY, version: 1, body })
const catalog = <T extends z.ZodType>(body: T): Kind<T> => ({ lane: CATALOG, version: 1, body })

/**
 * Every kind of record there is. One schema serves as the type, the check at the door and the check at
 * ingest. A kind or version that is not here is kept and relayed, and changes no table.
 */
export const kinds = {
  /** The first op of a cluster; the SHA-256 of `genesis` is the cluster's id. */
  'cluster.founded': authority(z.strictObject({ genesis: bytes })),
  'node.admitted': authority(
    z.strictObject({ node: nodeId, facts: nodeFactsSchema, invite: z.string().max(64).nullable() }),
  ),
  'node.announced': authority(z.strictObject({ facts: nodeFactsSchema })),
  'node.left': authority(z.strictObject({})),
  'node.evicted': authority(z.strictObject({ node: nodeId })),
  'invite.created': authority(
    z.strictObject({
      invite: z.string().min(8).max(64),
      verifier: z.string().max(128),
      expiresAt: z.number().int().min(0),
    }),
  ),

  'user.created': authority(
    z.strictObject({
      name: userName,
      number,
      email: line(255),
      realname: line(255),
      comment: line(1024),
      admin: z.boolean(),
      passwordHash,
    }),
  ),
  'user.profile-set': authority(
    z.strictObject({
      user: id,
      email: line(255).optional(),
      realname: line(255).optional(),
      comment: line(1024).optional(),
    }),
  ),
  'user.admin-set': authority(z.strictObject({ user: id, admin: z.boolean() })),
  'user.password-set': authority(
    z.strictObject({
      user: id,
      passwordHash,
      epoch: z
        .number()
        .int()
        .min(1)
        .max(2 ** 31),
    }),
  ),
  'user.deleted': authority(z.strictObject({ user: id })),

  'project.created': authority(
    z.strictObject({ name: projectName, number, owner: id, ownerMember: number, metadata }),
  ),
  'project.metadata-set': authority(z.strictObject({ project: id, metadata })),
  'project.deleted': authority(z.strictObject({ project: id })),
  /** Gives a role, in place of those its author had seen. */
  'member.granted': authority(z.strictObject({ project: id, user: id, role, number })),
  'member.revoked': authority(z.strictObject({ project: id, user: id })),

  'blob.linked': catalog(z.strictObject({ ...repository, digest, size: z.number().int().min(0) })),
  'blob.unlinked': catalog(z.strictObject({ ...repository, digest })),
  'manifest.put': catalog(
    z.strictObject({
      ...repository,
      digest,
      mediaType: line(255),
      size: z.number().int().min(0),
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

export type KindName = keyof typeof kinds
export type Body<K extends KindName> = z.infer<(typeof kinds)[K]['body']>

export function isKind(kind: string): kind is KindName {
  return Object.hasOwn(kinds, kind)
}

/**
 * An op ready to be committed.
 * @throws Fault OP_INVALID when the body is not what the kind's schema asks for
 */
export function op<K extends KindName>(
  kind: K,
  body: Body<K>,
  actor: string,
): { kind: K; body: Body<K>; actor: string } {
  const checked = kinds[kind].body.safeParse(body)
  if (!checked.success) {
    throw new Fault('OP_INVALID', `${kind}: ${z.prettifyError(checked.error)}`, { kind }, checked.error)
  }
  return { kind, body: checked.data as Body<K>, actor }
}
