import type { Tables } from '../../../src/journal/journal.ts'
import type { Frontier } from '../../../src/journal/op.ts'
import { AUTHORITY, parseFeedId } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { BlockFormat } from '../block-format.ts'
import { covers } from './lane-position.ts'

/** Authority ops that change what ops of other lanes amount to. */
const REACHING: ReadonlySet<string> = new Set(['node.evicted', 'immutability.set'])

/** Take an administrator's right away: where that one let nodes in, those nodes' content goes with it. */
const REMOVING: ReadonlySet<string> = new Set(['user.deleted', 'user.admin-set'])

interface History {
  readonly cluster: string
  readonly tables: Tables
  frontier(): Frontier
  blocks(ranges: readonly { feed: string; from: number; to: number }[]): AsyncIterable<Uint8Array>
}

/**
 * Whether an authority op that the snapshot's rows were made without reaches into them: they would have to
 * be made again from the log. One that had seen the snapshot leaves alone what lies within it.
 */
export async function isOvertaken(
  snapshot: SnapshotRow,
  history: History,
  format: Pick<BlockFormat, 'read'>,
): Promise<boolean> {
  const ranges = Object.entries(history.frontier())
    .filter(([feed, seq]) => parseFeedId(feed).lane === AUTHORITY && seq > (snapshot.authority[feed] ?? 0))
    .map(([feed, to]) => ({ feed, from: (snapshot.authority[feed] ?? 0) + 1, to }))
  // An entry says of what it has seen only what is new; before these nobody had seen the snapshot.
  const aware = new Set<string>()
  const sponsors = await sponsorsOf(history.tables)
  for await (const bytes of history.blocks(ranges)) {
    const { entry, feed } = await format.read(bytes, history.cluster)
    const { feed: by, seq } = snapshot.dot
    if ((entry.seen[by] ?? 0) >= seq || (feed === by && entry.seq >= seq)) aware.add(feed)
    for (const { kind, body } of entry.ops) {
      if (REACHING.has(kind) && !(aware.has(feed) && leavesAlone(body, snapshot))) return true
      const { user = '' } = Object(body) as { user?: string }
      if (REMOVING.has(kind) && !aware.has(feed) && sponsors.has(user)) return true
    }
  }
  return false
}

/** Users on whose behalf nodes were invited, let in or approved. */
async function sponsorsOf(tables: Tables): Promise<ReadonlySet<string>> {
  const sponsors = new Set<string>()
  for (const prefix of ['node:', 'invite:']) {
    for await (const { row } of tables.list('history', { prefix })) {
      for (const { actor } of row) sponsors.add(actor)
    }
  }
  return sponsors
}

/** A rule on tags says itself up to where it leaves them alone. */
function leavesAlone(body: unknown, snapshot: SnapshotRow): boolean {
  const { frontier, mode } = Object(body) as { frontier?: Frontier | null; mode?: string }
  if (mode === undefined || mode === 'off') return true
  return covers(frontier ?? {}, snapshot.frontier)
}
