import { bodyOf } from '../authority/bodies.ts'
import { historyOf, type Readable } from '../authority/history.ts'
import { allows, termsOf } from '../authority/needs.ts'
import { grantingOf, memberRight } from '../authority/rights.ts'
import { type Frontier, hasSeen, type Op, parseFeedId, reaches } from '../op.ts'
import type { HistoryOp, Refused } from '../rows.ts'

/**
 * Whether content may be written by its author. Content is add-wins: only an op that had seen its author's eviction,
 * or lies outside what a compromised node is still believed, does not count. docs/decisions/0007.
 * @returns why it does not count; null where it does
 */
export function mayWrite(tables: Readable, op: Op): Refused | null {
  const node = historyOf(tables, `node:${op.author}`)
  const { grants, revocations } = grantingOf(node, memberRight(op.author))
  let killer: string | undefined
  for (const grant of grants) {
    if (grant.refused !== null || !hasSeen(op, grant.dot)) continue
    const terms = termsOf(tables, grant)
    if (!terms || !allows(terms, op)) continue
    const against = revocations.filter(
      (one) => one.refused === null && !hasSeen(grant, one.dot) && kills(tables, one, op),
    )
    if (against.length === 0) return null
    for (const { id } of against) if (killer === undefined || id < killer) killer = id
  }
  return killer === undefined
    ? { reason: 'powerless', beatenBy: null }
    : { reason: 'evicted', beatenBy: killer }
}

function kills(tables: Readable, revocation: HistoryOp, op: Op): boolean {
  if (hasSeen(op, revocation.dot)) return true
  const evicted = bodyOf(revocation, 'node.evicted')
  if (!evicted?.compromised || !evicted.frontier) return false
  if (reaches(evicted.frontier, op.dot)) return false
  const { lane } = parseFeedId(op.dot.feed)
  return !historyOf(tables, `lane:${lane}`).some(
    (made) => shields(tables, revocation, made) && reaches(frontierOf(made), op.dot),
  )
}

/**
 * Whether what a snapshot compacted can not be taken apart by a revocation any more. That hangs on what the revocation
 * had seen and on nobody's standing, which may change when the log is long gone. One that only the evicted signed
 * is no shield, or it could make its own; its author may still accept it.
 */
function shields(tables: Readable, revocation: HistoryOp, made: HistoryOp): boolean {
  if (made.kind !== 'lane.snapshotted' || !hasSeen(revocation, made.dot)) return false
  const evicted = bodyOf(revocation, 'node.evicted')
  if (made.author !== evicted?.node || reaches(evicted.frontier ?? {}, made.dot)) return true
  return historyOf(tables, `snapshot:${made.id}`).some(
    (one) => one.kind === 'lane.attested' && one.author !== evicted.node && hasSeen(revocation, one.dot),
  )
}

const frontierOf = (made: HistoryOp): Frontier => bodyOf(made, 'lane.snapshotted')?.frontier ?? {}
