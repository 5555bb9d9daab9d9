import { bodyOf } from '../authority/bodies.ts'
import { historyOf, type Readable } from '../authority/history.ts'
import { allows, termsOf } from '../authority/needs.ts'
import { grantingOf, memberRight } from '../authority/rights.ts'
import { hasSeen, type Op, parseFeedId, reaches } from '../op.ts'
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
  // What was compacted before it was known can not be taken apart any more.
  const { lane } = parseFeedId(op.dot.feed)
  return !historyOf(tables, `lane:${lane}`).some((made) => {
    const snapshot = bodyOf(made, 'lane.snapshotted')
    return (
      snapshot !== undefined &&
      made.refused === null &&
      hasSeen(revocation, made.dot) &&
      reaches(snapshot.frontier, op.dot)
    )
  })
}
