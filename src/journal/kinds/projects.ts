import { z } from 'zod'
import { count, frontier, id, line, nodeId, number, projectName, role } from './fields.ts'
import { authority } from './kind.ts'

const metadata = z.record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/), line(1024))

export const projectKinds = {
  'project.created': authority(
    z.strictObject({ name: projectName, number, owner: id, ownerMember: number, metadata }),
  ),
  'project.metadata-set': authority(z.strictObject({ project: id, metadata })),
  'project.renamed': authority(z.strictObject({ project: id, name: projectName })),
  'project.deleted': authority(z.strictObject({ project: id })),
  /** Gives a role, in place of those its author had seen. */
  'member.granted': authority(z.strictObject({ project: id, user: id, role, number })),
  'member.revoked': authority(z.strictObject({ project: id, user: id })),
  /** Which tags, once set, stay: none, or those set through their home node only, or the first wherever it was set. */
  'immutability.set': authority(
    z.strictObject({
      project: id,
      mode: z.enum(['off', 'strict', 'available']),
      /** In strict mode the one node that may set tags. */
      home: nodeId.nullable(),
      /** How far the catalog was known where the rule was made: what lies within stands. */
      frontier,
    }),
  ),
  /** A hard limit in bytes. All of it is at first the author node's to spend or to give. */
  'quota.set': authority(z.strictObject({ project: id, limit: count })),
  /** The author node gives another part of what it may still spend. */
  'quota.moved': authority(
    z.strictObject({ project: id, to: nodeId, bytes: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER) }),
  ),
} as const
