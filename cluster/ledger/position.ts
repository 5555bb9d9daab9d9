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
  /** Equal where the heads are and neither lacks an entry before them. */
  readonly digest: string
  /** Null while something is decided again: it would be of no lasting state. */
  readonly stateHash: string | null
}

/** @param damage what of the logs is damaged; '' where nothing is */
export function positionOf(heads: Heads, stateHash: string | null, damage = ''): Position {
  const sum = createHash('sha256')
  for (const [feed, { seq, hash }] of [...heads].sort(([a], [b]) => (a < b ? -1 : 1))) {
    sum.update(`${feed}\n${seq}\n${hash}\n`)
  }
  if (damage !== '') sum.update(damage)
  return { heads, stateHash, digest: sum.digest('base64url') }
}

/** How two nodes differ, in entries. */
export interface Difference {
  /** Entries they have and we lack. */
  readonly ours: number
  /** Entries we have and they lack. */
  readonly theirs: number
}

/** What lies behind a fork is left out: it counts nowhere. @param forkedAt its number, infinite where there is none */
export function differenceOf(here: Heads, there: Heads, forkedAt: (feed: FeedId) => number): Difference {
  return { ours: lacking(here, there, forkedAt), theirs: lacking(there, here, forkedAt) }
}

function lacking(of: Heads, against: Heads, forkedAt: (feed: FeedId) => number): number {
  return [...against].reduce(
    (sum, [feed, { seq }]) => sum + Math.max(0, Math.min(seq, forkedAt(feed) - 1) - (of.get(feed)?.seq ?? 0)),
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
  forkedAt: (feed: FeedId) => number,
): FeedRange[] {
  return [...there].flatMap(([feed, { seq, hash }]) => {
    const have = here.get(feed)?.seq ?? 0
    const to = Math.min(seq, forkedAt(feed) - 1)
    if (to > have) return [{ feed, from: Math.max(1, have), to }]
    // What they say of what counts nowhere is no news.
    if (to < seq) return []
    const held = hashAt(feed, seq)
    // Of what has been pruned there is nothing to hold theirs against.
    return held === undefined || held === hash ? [] : [{ feed, from: seq, to: seq }]
  })
}
