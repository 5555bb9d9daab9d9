import type { Heads } from '../../../cluster/ledger/position.ts'
import type { FeedId } from '../../../src/journal/op.ts'
import type { SortedRows } from '../sorted-rows.ts'
import { firstDifference } from './disk-state.ts'

/** Where one node stands in the end. */
export interface Standing {
  readonly name: string
  readonly heads: Heads
  readonly digest: string
  readonly stateHash: string
  readonly rows: SortedRows
  isForked(feed: FeedId): boolean
}

/**
 * I10: nodes that hear each other come to hold the same entries. Of a feed whose author signed two histories
 * that is what lies before the fork: the proof goes from one to the next.
 */
export function notConverged(nodes: readonly Standing[], forked: ReadonlySet<FeedId>): string | undefined {
  const [first, ...others] = nodes
  if (!first) return undefined
  for (const node of others) {
    if (node.digest === first.digest) continue
    for (const feed of new Set([...first.heads.keys(), ...node.heads.keys()])) {
      const [a, b] = [first.heads.get(feed), node.heads.get(feed)]
      if (a?.hash === b?.hash) continue
      if (!forked.has(feed) || first.isForked(feed) || node.isForked(feed))
        return `${feed}: ${first.name} holds ${a?.seq ?? 0}, ${node.name} ${b?.seq ?? 0}`
      return `${feed}: neither ${first.name} nor ${node.name} knows of the fork`
    }
  }
  return undefined
}

/** I3: who holds the same entries has the same state. */
export function disagreement(nodes: readonly Standing[]): string | undefined {
  const states = new Map<string, Standing>()
  for (const node of nodes) {
    const other = states.get(node.digest)
    if (other && other.stateHash !== node.stateHash) {
      const where = firstDifference(other.rows, node.rows) ?? 'their rows are the same'
      return `${other.name} and ${node.name} hold the same entries and have different state: ${where}`
    }
    states.set(node.digest, node)
  }
  return undefined
}
