import { type Entry, type FeedId, feedOf } from '../../../src/journal/op.ts'
import type { Past } from '../past.ts'

/**
 * Feeds without holes, causes before effects, depths that follow from them.
 * @param before what the node had applied before that entry
 * @param isForked feeds of which what others have seen may be missing here
 */
export function outOfOrder(
  entry: Entry,
  before: Past,
  isForked: (feed: FeedId) => boolean,
): string | undefined {
  const feed = feedOf(entry)
  const have = before.seqs.get(feed) ?? 0
  // Of a forked feed entries are taken back, and what was seen of them is nowhere.
  if (entry.seq !== have + 1 && !isForked(feed)) return `${feed}/${entry.seq} was applied after ${have}`
  let blind = isForked(feed)
  for (const [other, seq] of Object.entries(entry.seen)) {
    if (isForked(other)) blind = true
    else if ((before.seqs.get(other) ?? 0) < seq)
      return `${feed}/${entry.seq} was applied before ${other}/${seq}`
    if (seq < (before.seen(feed)[other] ?? 0)) return `${feed}/${entry.seq} forgot what its author had seen`
  }
  const seen = { ...before.seen(feed), ...entry.seen, ...(have > 0 && { [feed]: have }) }
  if (Object.keys(seen).some(isForked)) blind = true
  const depth = before.depthAfter(seen)
  if (!blind && entry.depth !== depth) return `${feed}/${entry.seq} claims depth ${entry.depth}, not ${depth}`
  return undefined
}

/** I13: a node never knows less than it did. */
export function stepBack(
  before: Past,
  now: Readonly<Record<FeedId, number>>,
  isForked: (feed: FeedId) => boolean,
): string | undefined {
  for (const [feed, seq] of before.seqs) {
    if (isForked(feed)) continue
    if ((now[feed] ?? 0) < seq) return `${feed} was known up to ${seq} and is now up to ${now[feed] ?? 0}`
  }
  return undefined
}
