import { type Frontier, type Lane, parseFeedId, reaches } from '../../../src/journal/op.ts'
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

/**
 * Members that have not yet passed the snapshot and what it stands for. Once there is none, nobody can write
 * an entry any more that has not seen both, so nothing will ever ask for what lies behind.
 */
export function laggards(snapshot: SnapshotRow, members: readonly NodeId[], standing: Standing): NodeId[] {
  return members.filter((node) => !hasPassed(snapshot, node, standing))
}

function hasPassed(snapshot: SnapshotRow, node: NodeId, standing: Standing): boolean {
  const passed = (frontier: Frontier) =>
    covers(frontier, snapshot.frontier) && reaches(frontier, snapshot.dot)
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
