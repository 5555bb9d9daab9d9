import type { Tables } from '../../src/journal/journal.ts'
import { AUTHORITY, feedId } from '../../src/journal/op.ts'
import type { NodeId } from '../network/network.ts'
import { isDisowned } from './disowned.ts'
import type { Forks } from './forks.ts'

/** Why nobody would take what the node writes now; undefined where they would. */
export function whyReadOnly(node: NodeId, forks: Forks, tables: Pick<Tables, 'get'>): string | undefined {
  if (forks.hasOf(node))
    return 'two histories exist under this node’s name (was it restored from a backup?): let it join anew'
  if (isDisowned(feedId(AUTHORITY, node), forks, tables))
    return 'who let this node in had two histories, and its admission went with one of them: let it join anew'
  return undefined
}
