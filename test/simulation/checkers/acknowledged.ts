import type { FeedId } from '../../../src/journal/op.ts'

/** A caller was told that this entry is recorded. */
export interface Acknowledged {
  readonly feed: FeedId
  readonly seq: number
  readonly hash: string
}

/**
 * I1: what was acknowledged is there, after any crash, and in the end everywhere.
 * @param held hash of the entry the node holds there
 */
export function lostAcknowledged(
  acknowledged: Iterable<Acknowledged>,
  held: (feed: FeedId, seq: number) => string | undefined,
): string | undefined {
  for (const { feed, seq, hash } of acknowledged) {
    const found = held(feed, seq)
    if (found !== hash)
      return `${feed}/${seq} was acknowledged and is ${found === undefined ? 'lost' : 'another'}`
  }
  return undefined
}
