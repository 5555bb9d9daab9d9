import type { Archive } from './feed-log.ts'
import type { Entry, FeedId, Frontier } from './op.ts'
import type { FeedState } from './rows.ts'

/** An entry with everything its author had seen before it. */
export interface Past {
  readonly entry: Entry
  readonly past: Frontier
}

/** How far each feed was read, and what its author had seen by then. */
export type Progress = Map<FeedId, Pick<FeedState, 'seq' | 'seen'>>

/**
 * The entries of some feeds of one lane, each after all it had seen: by depth, which grows along every line of causes.
 * @param progress where to begin; moved on as entries are given out
 * @param to how far each feed is wanted
 */
export async function* replay(archive: Archive, to: Frontier, progress: Progress): AsyncGenerator<Past> {
  const cursors = Object.keys(to).map((feed) => ({
    feed,
    entries: archive.read(feed, (progress.get(feed)?.seq ?? 0) + 1)[Symbol.asyncIterator](),
    next: undefined as Entry | undefined,
  }))
  const advance = async (cursor: (typeof cursors)[number]) => {
    const { value, done } = await cursor.entries.next()
    cursor.next = done || value.seq > (to[cursor.feed] ?? 0) ? undefined : value
  }
  try {
    for (const cursor of cursors) await advance(cursor)
    for (;;) {
      let least: (typeof cursors)[number] | undefined
      for (const cursor of cursors) {
        if (cursor.next && (!least?.next || cursor.next.depth < least.next.depth)) least = cursor
      }
      const entry = least?.next
      if (!least || !entry) return
      const past = { ...progress.get(least.feed)?.seen, ...entry.seen }
      progress.set(least.feed, { seq: entry.seq, seen: past })
      yield { entry, past }
      await advance(least)
    }
  } finally {
    for (const { entries } of cursors) await entries.return?.(undefined)
  }
}
