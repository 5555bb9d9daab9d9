import { hash } from 'node:crypto'

/**
 * Records live in lanes, each with its own feeds, replicated and pruned by itself: `authority` for who may do
 * what, `catalog/<tenant>` for what is in the repositories, `verdicts/<tenant>` for what scanners found,
 * `trail/<tenant>/<yyyy-mm>` for what happened in a month.
 */
export type Lane = 'authority' | `${'catalog' | 'verdicts'}/${string}` | `trail/${string}/${string}`
export type LaneFamily = 'authority' | 'catalog' | 'verdicts' | 'trail'

export const AUTHORITY: Lane = 'authority'
/** Until tenants exist there is one, and its lanes have this name. */
export const TENANT = 'system'
export const CATALOG: Lane = `catalog/${TENANT}`
export const VERDICTS: Lane = `verdicts/${TENANT}`

const LANE = /^(?:authority|(?:catalog|verdicts)\/[a-z0-9-]{1,64}|trail\/[a-z0-9-]{1,64}\/\d{4}-\d{2})$/

export function isLane(text: string): text is Lane {
  return LANE.test(text)
}

export function familyOf(lane: Lane): LaneFamily {
  return lane.split('/')[0] as LaneFamily
}

/** The tenant a lane belongs to; undefined for the authority's. */
export function tenantOf(lane: Lane): string | undefined {
  return lane.split('/')[1]
}

/** The month of a trail lane, such as 2026-11; undefined for any other. */
export function monthOfLane(lane: Lane): string | undefined {
  return lane.split('/')[2]
}

/** The lane of a month's trail. @param time milliseconds since 1970 */
export function trailLane(tenant: string, time: number): Lane {
  return `trail/${tenant}/${new Date(time).toISOString().slice(0, 7)}` as Lane
}

/**
 * One node's entries in one lane: `<lane>@<node id>`. A node that came back without knowing all it had written
 * goes on in a feed of its own, `<lane>@<node id>.<incarnation>`, so that no number is ever used twice.
 */
export type FeedId = string

/** The first incarnation, which feeds do not name. */
export const FIRST_LIFE = ''

export function feedId(lane: Lane, author: string, life = FIRST_LIFE): FeedId {
  return life === FIRST_LIFE ? `${lane}@${author}` : `${lane}@${author}.${life}`
}

export function feedOf({ lane, author, life }: Pick<Entry, 'lane' | 'author' | 'life'>): FeedId {
  return feedId(lane, author, life)
}

const FEED = /^([a-z0-9/-]+)@([A-Za-z0-9]{1,100})(?:\.([a-z0-9]{1,16}))?$/

export interface FeedName {
  readonly lane: Lane
  readonly author: string
  readonly life: string
}

/** Feed ids are asked about all the time, and there are few. */
const parsed = new Map<FeedId, FeedName>()
const PARSED_MAX = 10_000

/** @throws RangeError when the text is no feed id */
export function parseFeedId(feed: FeedId): FeedName {
  const known = parsed.get(feed)
  if (known) return known
  const [, lane = '', author = '', life = FIRST_LIFE] = FEED.exec(feed) ?? []
  if (!isLane(lane)) throw new RangeError(`not a feed id: ${feed}`)
  const name = { lane, author, life }
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(feed, name)
  return name
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
  return hash('sha256', `${dot.feed}\n${dot.seq}\n${dot.index}`, 'base64url').slice(0, 22)
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
  /** The author's incarnation; absent in its first. */
  readonly life?: string
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

/** Whether `frontier` reaches what stands at `dot`. */
export function reaches(frontier: Frontier, dot: Pick<Dot, 'feed' | 'seq'>): boolean {
  return (frontier[dot.feed] ?? 0) >= dot.seq
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

/** The ops of an entry as the reducer sees them. @param past the whole frontier its author had applied before it */
export function opsOf(entry: Entry, past: Frontier): Op[] {
  const feed = feedOf(entry)
  const { seq, depth, time, author, cluster } = entry
  return entry.ops.map((one, index) => {
    const dot = { feed, seq, index }
    return { ...one, id: opId(dot), dot, depth, time, past, author, cluster }
  })
}
