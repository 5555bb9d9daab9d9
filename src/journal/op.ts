import { createHash } from 'node:crypto'

/**
 * Records live in lanes, each with one feed per writing node: `authority` for who may do what,
 * `catalog/<tenant>` for what is in the repositories.
 */
export type Lane = 'authority' | `catalog/${string}`

export const AUTHORITY: Lane = 'authority'
/** Until tenants exist there is one, and its catalog lane has this name. */
export const CATALOG: Lane = 'catalog/system'

/** One node's entries in one lane: `<lane>@<node id>`. */
export type FeedId = string

export function feedId(lane: Lane, author: string): FeedId {
  return `${lane}@${author}`
}

/** @throws RangeError when the text is no feed id */
export function parseFeedId(feed: FeedId): { lane: Lane; author: string } {
  const at = feed.lastIndexOf('@')
  if (at <= 0) throw new RangeError(`not a feed id: ${feed}`)
  return { lane: feed.slice(0, at) as Lane, author: feed.slice(at + 1) }
}

/** How far each feed is known: everything up to and including that sequence number. Absent means 0. */
export type Frontier = Readonly<Record<FeedId, number>>

/** The place of one op: its feed, the entry's sequence number from 1, and its index in that entry. */
export interface Dot {
  readonly feed: FeedId
  readonly seq: number
  readonly index: number
}

/** 22 characters of base64url, the same on every node, evenly spread: safe as an id and as a tie-breaker. */
export type OpId = string

export function opId(dot: Dot): OpId {
  return createHash('sha256').update(`${dot.feed}\n${dot.seq}\n${dot.index}`).digest('base64url').slice(0, 22)
}

/** What a door asks to be recorded. */
export interface NewOp {
  readonly kind: string
  readonly body: unknown
  /** The principal on whose behalf this node acts: a user id, or `node` for the node itself. */
  readonly actor: string
}

/** One op as it stands inside an entry. */
export interface WrittenOp extends NewOp {
  readonly version: number
}

/** What a node signs: ops that were committed together, with what the node had seen before them. */
export interface Entry {
  readonly format: 1
  readonly cluster: string
  readonly lane: Lane
  readonly author: string
  /** Gapless from 1 in its feed. */
  readonly seq: number
  /** 1 + the greatest depth among what this entry has seen. */
  readonly depth: number
  /** Milliseconds since 1970 at the author: for people, never for decisions. */
  readonly time: number
  /** What changed in the author's frontier since its previous entry of this feed. */
  readonly seen: Frontier
  readonly ops: readonly WrittenOp[]
}

/** An op as the reducer sees it. */
export interface Op extends WrittenOp {
  readonly id: OpId
  readonly dot: Dot
  readonly author: string
  readonly cluster: string
  readonly depth: number
  readonly time: number
  /** The whole frontier the author had applied before this entry. */
  readonly past: Frontier
}

/** Whether the author of `op` had seen what stands at `dot`. */
export function hasSeen(op: Pick<Op, 'dot' | 'past'>, dot: Dot): boolean {
  if (dot.feed === op.dot.feed) {
    return dot.seq < op.dot.seq || (dot.seq === op.dot.seq && dot.index < op.dot.index)
  }
  return (op.past[dot.feed] ?? 0) >= dot.seq
}

/** Causal depth first, then the id: the order that decides where causality does not. No clock in it. */
export function byDepthThenId(a: { depth: number; id: OpId }, b: { depth: number; id: OpId }): number {
  if (a.depth !== b.depth) return a.depth - b.depth
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
