import type { Tables } from '../../src/journal/journal.ts'
import { AUTHORITY, type FeedId, parseFeedId } from '../../src/journal/op.ts'
import type { NodeId } from '../network/network.ts'
import type { Forks } from './forks.ts'

/**
 * Whether anything here ever let the node in, whatever became of that since: an admission that counts no more has
 * no row among the nodes, but whoever took in what the newcomer wrote before that was known holds it for good.
 */
export function isAdmitted(node: NodeId, tables: Pick<Tables, 'get'>): boolean {
  // The founder's first entries may come apart; after the genesis it is known by the cluster's row.
  if (tables.get('cluster', 'cluster')?.founder === node) return true
  if (tables.get('nodes', node)) return true
  return tables.get('history', `node:${node}`)?.some(({ kind }) => kind === 'node.admitted') ?? false
}

/**
 * Whether a fork took back what had admitted the feed's author: nobody can take in anything of it any more, so
 * nobody may keep it. It is said too early of an author whose admission is only not here yet; no harm comes of
 * that, for whoever had seen such entries had seen the admission as well, and is waited for.
 */
export function isDisowned(feed: FeedId, forks: Pick<Forks, 'anyIn'>, tables: Pick<Tables, 'get'>): boolean {
  if (!forks.anyIn(AUTHORITY) || !tables.get('cluster', 'cluster')) return false
  return !isAdmitted(parseFeedId(feed).author, tables)
}
