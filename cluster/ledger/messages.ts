import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { type FeedId, isLane, parseFeedId } from '../../src/journal/op.ts'
import { DEPTH_MAX } from '../../src/limits.ts'
import { BLOCK_BYTES_MAX, FEEDS_MAX, PAGE_BLOCKS_MAX } from '../limits.ts'
import type { Heads } from './position.ts'

/**
 * The protocol, one channel a conversation. Who opened it asks, the other only answers:
 *
 *   hello {digest, stateHash}      ->  hello {digest, stateHash}   where each stands; equal digests end it
 *   heads {heads}                  ->  heads {heads}               every feed's newest entry, as of the hello
 *   want  {ranges}                 ->  page  {blocks, last}        stretches of feeds, in causal order
 *                                  ->  pruned {lanes}              or: of those lanes the log no longer goes
 *                                                                  back so far; nothing else of the want is sent
 *   more  {}                       ->  page  {blocks, last}        as long as `last` is false
 */
export const LEDGER_PROTOCOL = '/flotilla/ledger/1'

const feed = z
  .string()
  .max(200)
  .refine((text) => {
    try {
      parseFeedId(text)
      return true
    } catch {
      return false
    }
  }, 'not a feed id')
const seq = z.number().int().min(1).max(DEPTH_MAX)
const sum = z.string().min(1).max(100)
const bytes = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length <= BLOCK_BYTES_MAX,
  'not a block',
)

/** No state hash while something is decided again: it would be of no lasting state. */
const hello = z.strictObject({ is: z.literal('hello'), digest: sum, stateHash: sum.nullable() })
const heads = z.strictObject({
  is: z.literal('heads'),
  heads: z.array(z.tuple([feed, seq, sum])).max(FEEDS_MAX),
})
const want = z.strictObject({
  is: z.literal('want'),
  ranges: z
    .array(z.strictObject({ feed, from: seq, to: seq }))
    .min(1)
    .max(FEEDS_MAX),
})
const more = z.strictObject({ is: z.literal('more') })
const page = z.strictObject({
  is: z.literal('page'),
  blocks: z.array(bytes).max(PAGE_BLOCKS_MAX),
  last: z.boolean(),
})

const pruned = z.strictObject({
  is: z.literal('pruned'),
  lanes: z
    .array(
      z.strictObject({
        lane: z.string().max(200).refine(isLane),
        /** The op of the snapshot that stands for it; null where the lane was dropped for its age. */
        snapshot: z.string().max(64).nullable(),
      }),
    )
    .min(1)
    .max(FEEDS_MAX),
})

const question = z.discriminatedUnion('is', [hello, heads, want, more])
const answers = { hello, heads, page, 'page or pruned': z.discriminatedUnion('is', [page, pruned]) }

export type Question = z.infer<typeof question>
export type Answer<Name extends keyof typeof answers> = z.infer<(typeof answers)[Name]>

/** @throws Fault MESSAGE_INVALID */
export function readQuestion(message: unknown): Question {
  return parse(question, message)
}

/** @throws Fault MESSAGE_INVALID */
export function readAnswer<Name extends keyof typeof answers>(name: Name, message: unknown): Answer<Name> {
  return parse(answers[name] as unknown as z.ZodType<Answer<Name>>, message)
}

function parse<T>(schema: z.ZodType<T>, message: unknown): T {
  const parsed = schema.safeParse(message)
  if (parsed.success) return parsed.data
  throw new Fault('MESSAGE_INVALID', 'the peer does not keep to the ledger’s protocol', {}, parsed.error)
}

export function writeHeads(heads: Heads): [FeedId, number, string][] {
  return [...heads].map(([feed, { seq, hash }]) => [feed, seq, hash])
}

export function readHeads(heads: readonly (readonly [FeedId, number, string])[]): Heads {
  return new Map(heads.map(([feed, seq, hash]) => [feed, { seq, hash }]))
}
