import { z } from 'zod'
import type { Journal, Tables } from '../../src/journal/journal.ts'
import { AUTHORITY, type FeedId, type Frontier, parseFeedId } from '../../src/journal/op.ts'
import { DEPTH_MAX } from '../../src/limits.ts'
import { BLOCK_BYTES_MAX, FEEDS_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'

/**
 * What is said between nodes of which one at least has put the other out. Who has put out opens the channel:
 *
 *   hello   {held, heads}         ->  hello   {held, heads}         what each holds of the other, and where it stands
 *   entries {blocks, last, more}  ->  entries {blocks, last, more}  pages, `last` true on the final one; `more`: there
 *                                                                   is more than one conversation carries
 *
 * First the opener's pages, then the other's; both take in what they got after that.
 */
export const WORD_PROTOCOL = '/flotilla/word/1'

const heldSchema = z.strictObject({
  /** Who wrote the eviction. */
  author: z.string().min(1).max(100),
  op: z.string().min(1).max(64),
  compromised: z.boolean(),
  reason: z.string().max(400),
})
const feed = z.string().max(200)
const block = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= BLOCK_BYTES_MAX)
export const helloSchema = z.strictObject({
  is: z.literal('hello'),
  /** That the other was evicted; null where it is a member. */
  held: heldSchema.nullable(),
  heads: z.array(z.tuple([feed, z.number().int().min(1).max(DEPTH_MAX)])).max(FEEDS_MAX),
})
export const entriesSchema = z.strictObject({
  is: z.literal('entries'),
  blocks: z.array(block).max(4096),
  last: z.boolean(),
  more: z.boolean(),
})

/** That a node was evicted, as its evictor's record says. */
export type Held = z.infer<typeof heldSchema>

/** What this node holds of another, and how far it goes in telling. */
export interface Stand {
  readonly held: Held | null
  /** What of the authority lane the other may have; null: nothing. */
  readonly gives: Frontier | null
  /** Whether what the other has of that lane is taken in. */
  readonly takes: boolean
}

/**
 * To a member everything may be told. To one that was evicted, only what its evictor had seen: it belonged until
 * then. To one that was evicted as compromised nothing but the fact: what was changed to shut it out is in there.
 */
export function standTowards(node: NodeId, journal: Pick<Journal, 'tables' | 'frontier'>): Stand {
  const { tables } = journal
  if (tables.get('nodes', node)?.state !== 'evicted')
    return { held: null, gives: authorityOf(journal.frontier()), takes: true }
  const evictions = (tables.get('history', `node:${node}`) ?? []).filter(
    ({ kind, refused }) => kind === 'node.evicted' && refused === null,
  )
  const bodies = evictions.map(({ body }) => Object(body) as { compromised?: boolean; reason?: string })
  const compromised = bodies.some((body) => body.compromised !== false)
  const [first] = evictions
  const held = {
    author: first?.author ?? node,
    op: first?.id ?? '-',
    compromised,
    reason: bodies[0]?.reason ?? '',
  }
  if (compromised) return { held, gives: null, takes: false }
  const past: Record<FeedId, number> = {}
  for (const { past: seen, dot } of evictions)
    for (const [feed, seq] of [...Object.entries(seen), [dot.feed, dot.seq] as const])
      past[feed] = Math.max(past[feed] ?? 0, seq)
  return { held, gives: authorityOf(past), takes: true }
}

/** Whether it is settled here that the eviction does not count. */
export function isOverruled(op: string, node: NodeId, tables: Pick<Tables, 'get'>): boolean {
  return (tables.get('history', `node:${node}`) ?? []).some(
    ({ id, refused }) => id === op && refused !== null,
  )
}

export function authorityOf(frontier: Frontier): Frontier {
  return Object.fromEntries(Object.entries(frontier).filter(([feed]) => isAuthority(feed)))
}

function isAuthority(feed: FeedId): boolean {
  try {
    return parseFeedId(feed).lane === AUTHORITY
  } catch {
    return false
  }
}
