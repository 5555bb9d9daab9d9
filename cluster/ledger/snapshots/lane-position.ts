import { createHash } from 'node:crypto'
import { decode, encode } from 'cborg'
import type { KeyValue } from '../../../src/journal/key-value.ts'
import { AUTHORITY, type FeedId, type Frontier, type Lane, parseFeedId } from '../../../src/journal/op.ts'
import type { FeedState } from '../../../src/journal/rows.ts'
import { decodeHead, headKey } from '../layout.ts'

/** What it takes to go on with a feed. */
export interface FeedPoint extends FeedState {
  readonly feed: FeedId
  /** Of the entry with that seq. */
  readonly hash: string
}

/** What a lane amounts to at one moment. */
export interface LanePosition {
  readonly lane: Lane
  /** Sorted by feed. */
  readonly points: readonly FeedPoint[]
  /** Of the authority feeds at that moment. */
  readonly authority: Frontier
  /** Of the lane's rows, 64 hexadecimal digits. */
  readonly rowsHash: string
}

/** Where the lane stands. To be called in the writer's turn, for its parts to be of one moment. */
export function lanePosition(
  store: Pick<KeyValue, 'get'>,
  lane: Lane,
  frontier: Frontier,
  rowsHash: string,
): LanePosition {
  const points = Object.keys(part(frontier, lane))
    .sort()
    .flatMap((feed) => {
      const state = store.get(`feed/${feed}`)
      const head = store.get(headKey(feed))
      return state && head ? [{ ...(decode(state) as FeedState), feed, hash: decodeHead(head) }] : []
    })
  return { lane, points, authority: part(frontier, AUTHORITY), rowsHash }
}

/** The frontier of one lane's feeds. */
export function part(frontier: Frontier, lane: Lane): Frontier {
  return Object.fromEntries(Object.entries(frontier).filter(([feed]) => parseFeedId(feed).lane === lane))
}

export function frontierOf(points: readonly FeedPoint[]): Frontier {
  return Object.fromEntries(points.map(({ feed, seq }) => [feed, seq]))
}

/**
 * SHA-256 of all that the next entry of the lane builds on: rows, and how far each feed and its author's
 * knowledge reach. This is what members sign, so nothing a newcomer takes over is by one member's word.
 */
export function positionHash({ lane, points, rowsHash }: Omit<LanePosition, 'authority'>): string {
  const sum = createHash('sha256').update(`flotilla lane\n${lane}\n${rowsHash}\n`)
  for (const { feed, seq, depth, seen, hash } of points) sum.update(encode([feed, seq, depth, seen, hash]))
  return sum.digest('hex')
}

/** Names a frontier in few bytes. */
export function frontierKey(frontier: Frontier): string {
  return createHash('sha256').update(encode(frontier)).digest('base64url')
}

/** Whether everything within `inner` is within `outer`. */
export function covers(outer: Frontier, inner: Frontier): boolean {
  return Object.entries(inner).every(([feed, seq]) => (outer[feed] ?? 0) >= seq)
}
