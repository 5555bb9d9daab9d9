import { createHash } from 'node:crypto'
import type { FeedId } from '../../src/journal/op.ts'
import type { FeedRange } from './stored-feeds.ts'

/** The newest entry of a feed. */
export interface Head {
  readonly seq: number
  readonly hash: string
}

export type Heads = ReadonlyMap<FeedId, Head>

/** Where a node stands: what it holds of every feed, and what follows from that. */
export interface Position {
  readonly heads: Heads
  /** Equal where the heads are. */
  readonly digest: string
  readonly stateHash: string
}

export function positionOf(heads: Heads, stateHash: string): Position {
  const sum = createHash('sha256')
  for (const [feed, { seq, hash }] of [...heads].sort(([a], [b]) => (a < b ? -1 : 1))) {
    sum.update(`${feed}\n${seq}\n${hash}\n`)
  }
  return { heads, stateHash, digest: sum.digest('base64url') }
}

/** How two nodes differ, in entries. */
export interface Difference {
  /** Entries they have and we lack. */
  readonly ours: number
  /** Entries we have and they lack. */
  readonly theirs: number
}

/** Forked feeds are left out: what differs there will stay. */
export function differenceOf(here: Heads, there: Heads, isForked: (feed: FeedId) => boolean): Difference {
  return { ours: lacking(here, there, isForked), theirs: lacking(there, here, isForked) }
}

function lacking(of: Heads, against: Heads, isForked: (feed: FeedId) => boolean): number {
  return [...against].reduce(
    (sum, [feed, { seq }]) => (isForked(feed) ? sum : sum + Math.max(0, seq - (of.get(feed)?.seq ?? 0))),
    0,
  )
}

/**
 * What to ask a peer for. Each stretch begins with the entry held last, so that a feed that took another
 * turn over there shows it at once; and where the peer is behind, with its head if that is not ours.
 * @param hashAt our hash of an entry
 */
export function rangesWanted(
  here: Heads,
  there: Heads,
  hashAt: (feed: FeedId, seq: number) => string | undefined,
  isForked: (feed: FeedId) => boolean,
): FeedRange[] {
  return [...there].flatMap(([feed, { seq, hash }]) => {
    if (isForked(feed)) return []
    const have = here.get(feed)?.seq ?? 0
    if (seq > have) return [{ feed, from: Math.max(1, have), to: seq }]
    const held = hashAt(feed, seq)
    // Of what has been pruned there is nothing to hold theirs against.
    return held === undefined || held === hash ? [] : [{ feed, from: seq, to: seq }]
  })
}
