import { type Dot, type Frontier, type Lane, parseFeedId, reaches } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { NodeId } from '../../network/network.ts'
import { covers, part } from './lane-position.ts'

/** What is known here of where members stand. */
export interface Standing {
  readonly self: NodeId
  readonly frontier: Frontier
  /** What the author of a feed's newest entry had seen. */
  seenBy(feed: string): Frontier
  /** Where a member said it stands, at the last comparison. */
  heardFrom(node: NodeId): Frontier | undefined
}

/** A snapshot, and the ops by which others vouch for it. */
export interface Vouched extends SnapshotRow {
  readonly attestations: readonly Dot[]
}

/**
 * Members that have not yet passed the snapshot, those who vouch for it and what it stands for. Once there is none,
 * nobody can write an entry any more that has not seen all of it: nothing will ever ask for what lies behind, and
 * whoever evicts its author knows by whose word it shields. docs/decisions/0007.
 */
export function laggards(snapshot: Vouched, members: readonly NodeId[], standing: Standing): NodeId[] {
  return members.filter((node) => !hasPassed(snapshot, node, standing))
}

function hasPassed(snapshot: Vouched, node: NodeId, standing: Standing): boolean {
  const passed = (frontier: Frontier) =>
    covers(frontier, snapshot.frontier) &&
    [snapshot.dot, ...snapshot.attestations].every((dot) => reaches(frontier, dot))
  if (node === standing.self) return passed(standing.frontier)
  const own = (frontier: Frontier) =>
    Object.entries(part(frontier, snapshot.lane as Lane)).filter(
      ([feed]) => parseFeedId(feed).author === node,
    )
  // By its own signed word: an entry of the lane whose author had seen both.
  if (own(standing.frontier).some(([feed, seq]) => passed({ ...standing.seenBy(feed), [feed]: seq })))
    return true
  const heard = standing.heardFrom(node)
  // What it wrote before it came so far must be here too: that may still refer to what lies behind.
  return heard !== undefined && passed(heard) && covers(standing.frontier, Object.fromEntries(own(heard)))
}
