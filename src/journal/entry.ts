import { decode, encode } from 'cborg'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import { DEPTH_MAX, ENTRY_BYTES_MAX, ENTRY_OPS_MAX } from '../limits.ts'
import { type Entry, isLane, type Lane, parseFeedId } from './op.ts'

const count = z.number().int().min(1).max(DEPTH_MAX)

const frontier = z.record(z.string().max(200), count).superRefine((value, context) => {
  for (const feed of Object.keys(value)) {
    try {
      parseFeedId(feed)
    } catch {
      context.addIssue({ code: 'custom', message: `not a feed id: ${feed}` })
    }
  }
})

/** The structure of an entry: conditions that can never change later, and nothing of policy. */
const entrySchema = z.strictObject({
  format: z.literal(1),
  cluster: z.string().min(1).max(100),
  lane: z.custom<Lane>((value) => typeof value === 'string' && isLane(value)),
  author: z.string().min(1).max(100),
  life: z
    .string()
    .regex(/^[a-z0-9]{1,16}$/)
    .optional(),
  seq: count,
  depth: count,
  time: z.number().int().min(0).max(DEPTH_MAX),
  seen: frontier,
  ops: z
    .array(
      z.strictObject({
        kind: z.string().min(1).max(64),
        version: z.number().int().min(1).max(1000),
        actor: z.string().min(1).max(100),
        body: z.unknown(),
      }),
    )
    .min(1)
    .max(ENTRY_OPS_MAX),
})

/** Canonical CBOR: the same entry gives the same bytes on every node. */
export function encodeEntry(entry: Entry): Uint8Array {
  return encode(entry)
}

/** @throws Fault ENTRY_INVALID when bytes from elsewhere are no entry within bounds */
export function decodeEntry(bytes: Uint8Array): Entry {
  if (bytes.length > ENTRY_BYTES_MAX) {
    throw new Fault('ENTRY_INVALID', 'the entry is larger than the bound', { bytes: bytes.length })
  }
  try {
    return entrySchema.parse(decode(bytes, { rejectDuplicateMapKeys: true })) as Entry
  } catch (error) {
    throw new Fault('ENTRY_INVALID', 'the bytes are no entry of this cluster’s form', {}, error)
  }
}
