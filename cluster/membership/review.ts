import type { Readable } from '../../src/journal/effective.ts'
import { type Entry, type FeedId, type Frontier, parseFeedId } from '../../src/journal/op.ts'
import type { Review, ReviewedOp } from '../../src/registry/topology.ts'
import { REVIEW_ENTRIES_MAX, REVIEW_OPS_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import { whatOf, whoOf } from './review-words.ts'

/** The logs as a review reads them. */
export interface ReviewedLogs {
  frontier(): Frontier
  /** Undefined where it is not here. */
  entry(feed: FeedId, seq: number): Promise<Entry | undefined>
}

/** The node's own logs and how far they are here. */
export function logsOf(node: NodeId, frontier: Frontier): [FeedId, number][] {
  return Object.entries(frontier).filter(([feed]) => parseFeedId(feed).author === node)
}

/**
 * What a node wrote since that time, newest first. The time is its own word: one that means to hide what it
 * did dates it back, so each log is read whole, as far as it is here, and people should look further.
 */
export async function reviewOf(
  node: { readonly id: NodeId; readonly name: string },
  since: number,
  journal: ReviewedLogs,
  tables: Readable,
): Promise<Review> {
  const logs = logsOf(node.id, journal.frontier())
  const ops: { readonly time: number; readonly op: ReviewedOp }[] = []
  const before: Record<FeedId, number> = {}
  let truncated = false
  for (const [log, head] of logs) {
    const last = Math.max(1, head - REVIEW_ENTRIES_MAX + 1)
    let taken = 0
    before[log] = head
    for (let seq = head; seq >= last; seq--) {
      const entry = await journal.entry(log, seq)
      if (!entry) break
      if (entry.time < since) continue
      // All behind it as well, whatever time that says to be of.
      before[log] = seq - 1
      if (taken >= REVIEW_OPS_MAX) {
        truncated = true
        continue
      }
      for (const op of [...entry.ops].reverse()) {
        taken++
        const time = new Date(entry.time).toISOString()
        const { kind, actor, body } = op
        const said = { about: aboutOf(body), what: whatOf(tables, kind, body), who: whoOf(tables, actor) }
        ops.push({ time: entry.time, op: { time, kind, actor, log, entry: seq, ...said } })
      }
    }
  }
  ops.sort((a, b) => b.time - a.time)
  truncated ||= ops.length > REVIEW_OPS_MAX
  const shown = ops.slice(0, REVIEW_OPS_MAX).map(({ op }) => op)
  return { node: node.id, name: node.name, logs: Object.fromEntries(logs), before, ops: shown, truncated }
}

/** Fields that name what an op is about; never a hash, a key or a verifier. */
const TELLING = [
  'name',
  'node',
  'user',
  'projectId',
  'path',
  'tag',
  'digest',
  'role',
  'admin',
  'invite',
  'key',
  'limit',
]

function aboutOf(body: unknown): string {
  const fields = Object(body) as Record<string, unknown>
  const words = TELLING.flatMap((field) => {
    const value = fields[field]
    const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    return plain ? `${field}=${String(value).slice(0, 80)}` : []
  })
  return words.join(' ')
}
