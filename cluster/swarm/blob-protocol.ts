import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { BLOB_BYTES_MAX, FRAME_BYTES, REFUSED_CHARS_MAX } from './limits.ts'

/*
 * One question after the other on one channel; either side may close it between two.
 *
 *   -> { ask: 'have', digest }               <- { have: 'whole' | 'part' | 'none', size?, infoHash?, ingress? }
 *   -> { ask: 'pieces', digest }             <- { pending: true } …, { size, infoHash, bytes }, frame …
 *   -> { ask: 'read', digest, first, last }  <- { bytes }, frame …
 *                                            <- { refused, closed? } instead of any of these: `closed` where the link between the two is
 *
 * Whoever asks for a digest wants it: who fetches it, too, hears so of a fellow. `ingress`: it fetches the blob
 * from another site. A frame is a byte string of at most FRAME_BYTES. The number at the end changes with the rule of piece
 * lengths: another rule gives other infohashes.
 */
export const BLOB_PROTOCOL = '/flotilla/blob/1'

const digest = z
  .string()
  .max(160)
  .transform((text) => parseDigest(text))
const size = z.int().min(0).max(BLOB_BYTES_MAX)
const infoHash = z.string().regex(/^[0-9a-f]{40}$/)

const requestShape = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('have'), digest }),
  z.strictObject({ ask: z.literal('pieces'), digest }),
  z.strictObject({ ask: z.literal('read'), digest, first: size, last: size }),
])
const haveShape = z.discriminatedUnion('have', [
  z.strictObject({ have: z.literal('none') }),
  z.strictObject({
    have: z.enum(['whole', 'part']),
    size: size.optional(),
    infoHash: infoHash.optional(),
    ingress: z.boolean().optional(),
  }),
])
const piecesShape = z.union([
  z.strictObject({ pending: z.literal(true) }),
  z.strictObject({ size, infoHash, bytes: size }),
])
const readShape = z.strictObject({ bytes: size })
const refusedShape = z.strictObject({
  refused: z.string().max(REFUSED_CHARS_MAX),
  closed: z
    .strictObject({
      link: z.string().max(127),
      because: z.enum(['forbidden', 'budget', 'hours']),
      opensAt: z.string().max(40).nullable(),
    })
    .optional(),
})

export type BlobRequest = z.infer<typeof requestShape>
/** What a member says about a digest; a 'part' without a size is itself still looking for a holder. */
export type HaveAnswer = z.infer<typeof haveShape>
export type PiecesAnswer = z.infer<typeof piecesShape>
export type ReadAnswer = z.infer<typeof readShape>

export const parseRequest = (message: unknown): BlobRequest => parse(requestShape, message)
export const parseHave = (message: unknown): HaveAnswer => parse(haveShape, message)
export const parsePieces = (message: unknown): PiecesAnswer => parse(piecesShape, message)
export const parseRead = (message: unknown): ReadAnswer => parse(readShape, message)

export function parseFrame(message: unknown): Uint8Array {
  if (message instanceof Uint8Array && message.length > 0 && message.length <= FRAME_BYTES) return message
  throw new Fault('MESSAGE_INVALID', 'a frame of the blob protocol is a byte string within its bound')
}

function parse<T>(shape: z.ZodType<T>, message: unknown): T {
  const result = shape.safeParse(message)
  if (result.success) return result.data
  const refused = refusedShape.safeParse(message)
  if (refused.success) {
    const { refused: message, closed } = refused.data
    throw closed ? new Fault('LINK_CLOSED', message, closed) : new Fault('BLOB_REFUSED', message)
  }
  throw new Fault('MESSAGE_INVALID', 'a message of the blob protocol was not understood', {}, result.error)
}
