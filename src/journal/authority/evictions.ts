import type { HistoryOp } from '../rows.ts'
import { bodyOf } from './bodies.ts'
import { historyOf, type Readable } from './history.ts'

/**
 * The eviction a node is out by; of several the first that says why, else the first. Undefined where none counts.
 */
export function evictionOf(tables: Readable, node: string): HistoryOp | undefined {
  const evictions = historyOf(tables, `node:${node}`).filter(
    ({ kind, refused }) => kind === 'node.evicted' && refused === null,
  )
  return evictions.find((one) => reasonOf(one) !== undefined) ?? evictions[0]
}

/** What was said with an eviction; undefined where nothing was, or for an op of another kind. */
export function reasonOf(op: Pick<HistoryOp, 'kind' | 'body'>): string | undefined {
  return bodyOf(op, 'node.evicted')?.reason || undefined
}
