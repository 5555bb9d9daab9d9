import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { DIGESTS_ASKED_MAX, PROJECTS_TOLD_MAX } from './limits.ts'

/*
 * One question after the other on one channel.
 *
 *   -> { ask: 'held', digests }            <- { held }              a letter for each digest: whole, part, none
 *   -> { ask: 'keep', digests, records }   <- { pending: true } …, { kept: true }   the other end has the records that
 *                                                                   far and fetches the blobs, for good
 *   -> { ask: 'progress' }                 <- { projects }          how far it is with the copies it is to keep
 *                                          <- { refused } instead of any of these
 */
export const PLACEMENT_PROTOCOL = '/flotilla/placement/1'

const digest = z
  .string()
  .max(160)
  .transform((text) => parseDigest(text))
const digests = z.array(digest).max(DIGESTS_ASKED_MAX)
const count = z.int().min(0)

const requestShape = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('held'), digests }),
  z.strictObject({
    ask: z.literal('keep'),
    digests,
    /** Feeds of the asker, a few lives of one lane. */
    records: z.record(z.string().max(200), count).refine((all) => Object.keys(all).length <= 64),
  }),
  z.strictObject({ ask: z.literal('progress') }),
])
const progressShape = z.strictObject({ wanted: count, placed: count, wantedBytes: count, placedBytes: count })
const answers = {
  held: z.strictObject({ held: z.string().regex(/^[wpn]*$/) }),
  keep: z.union([z.strictObject({ pending: z.literal(true) }), z.strictObject({ kept: z.literal(true) })]),
  progress: z.strictObject({
    projects: z
      .record(z.string().max(64), progressShape)
      .refine((all) => Object.keys(all).length <= PROJECTS_TOLD_MAX),
  }),
}
const refusedShape = z.strictObject({ refused: z.string().max(300) })

export type PlacementRequest = z.infer<typeof requestShape>
export type PlacementAnswer<Ask extends keyof typeof answers> = z.infer<(typeof answers)[Ask]>
/** Blobs of a project that a node is to keep, and those of them it has. */
export type Progress = z.infer<typeof progressShape>

/** @throws Fault MESSAGE_INVALID */
export const readRequest = (message: unknown): PlacementRequest => parse(requestShape, message)

/** @throws Fault MESSAGE_INVALID, PLACEMENT_REFUSED */
export function readAnswer<Ask extends keyof typeof answers>(
  ask: Ask,
  message: unknown,
): PlacementAnswer<Ask> {
  const refused = refusedShape.safeParse(message)
  if (refused.success) throw new Fault('PLACEMENT_REFUSED', refused.data.refused)
  return parse(answers[ask] as unknown as z.ZodType<PlacementAnswer<Ask>>, message)
}

function parse<T>(shape: z.ZodType<T>, message: unknown): T {
  const result = shape.safeParse(message)
  if (result.success) return result.data
  throw new Fault('MESSAGE_INVALID', 'a message about placement was not understood', {}, result.error)
}
