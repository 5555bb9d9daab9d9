import { type Entry, type FeedId, type Frontier, feedOf, type Op, opId } from '../../../src/journal/op.ts'

/** The ops of a set of entries, each with all its author had seen, in an order that runs along causality. */
export function opsOf(entries: readonly Entry[]): Op[] {
  const feeds = new Map<FeedId, Map<number, Entry>>()
  for (const entry of entries) {
    const feed = feedOf(entry)
    const known = feeds.get(feed) ?? new Map<number, Entry>()
    feeds.set(feed, known.set(entry.seq, entry))
  }
  const ops: Op[] = []
  for (const [feed, bySeq] of feeds) {
    let past: Frontier = {}
    for (const seq of [...bySeq.keys()].sort((a, b) => a - b)) {
      const { author, cluster, depth, time, seen, ops: written } = bySeq.get(seq) as Entry
      past = { ...past, ...seen }
      for (const [index, one] of written.entries()) {
        const dot = { feed, seq, index }
        ops.push({ ...one, id: opId(dot), dot, author, cluster, depth, time, past })
      }
    }
  }
  // An entry is deeper than all it had seen, so depth is enough; inside an entry the index says who came first.
  return ops.sort(
    (a, b) =>
      a.depth - b.depth ||
      (a.dot.feed < b.dot.feed
        ? -1
        : a.dot.feed > b.dot.feed
          ? 1
          : a.dot.seq - b.dot.seq || a.dot.index - b.dot.index),
  )
}
