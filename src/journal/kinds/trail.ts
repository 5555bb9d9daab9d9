import { z } from 'zod'
import { count, digest, line, repository } from './fields.ts'
import { trail } from './kind.ts'

export const trailKinds = {
  /** Something somebody did, for people to read later. */
  'event.recorded': trail(
    z.strictObject({
      action: line(64).min(1),
      resource: line(512),
      /** Where it came from, as far as known. */
      client: line(128).nullable(),
      outcome: z.enum(['done', 'refused', 'failed']),
    }),
  ),
  /** Pulls at the author node so far: its own count, which only grows. */
  'pulls.counted': trail(z.strictObject({ ...repository, digest, total: count })),
} as const
