import type { Tables } from '../../src/journal/journal.ts'
import { AUTHORITY, type FeedId, parseFeedId } from '../../src/journal/op.ts'
import type { Forks } from './forks.ts'

/**
 * Whether a fork took back what had admitted the feed's author: nobody can take in anything of it any more, so
 * nobody may keep it. It is said too early of an author whose admission is only not here yet; no harm comes of
 * that, for whoever had seen such entries had seen the admission as well, and is waited for.
 */
export function isDisowned(feed: FeedId, forks: Pick<Forks, 'anyIn'>, tables: Pick<Tables, 'get'>): boolean {
  if (!forks.anyIn(AUTHORITY)) return false
  const { author } = parseFeedId(feed)
  const founder = tables.get('cluster', 'cluster')?.founder
  return founder !== undefined && author !== founder && tables.get('nodes', author) === undefined
}
