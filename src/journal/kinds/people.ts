import { z } from 'zod'
import { id, line, number } from './fields.ts'
import { authority } from './kind.ts'

export const userName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}\s,"~#%$<>:/\\]+$/u, 'no spaces, control characters or , " ~ # % $ < > : / \\')

const passwordHash = z.string().max(300).startsWith('$argon2id$')

export const peopleKinds = {
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
  /** An administrator's act: nobody takes another name by themselves. */
  'user.renamed': authority(z.strictObject({ user: id, name: userName })),
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
  /** What a directory said at a login: replaces what it said before, is never added to it (CVE-2025-23208). */
  'user.groups-set': authority(
    z.strictObject({
      user: id,
      source: line(64).min(1),
      groups: z.array(line(255).min(1)).max(1000),
      /** Milliseconds since 1970 after which nothing of it counts. */
      expiresAt: z.number().int().min(0),
    }),
  ),
  'user.deleted': authority(z.strictObject({ user: id })),
} as const
