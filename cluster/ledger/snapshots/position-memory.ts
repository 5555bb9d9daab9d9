import type { Frontier, Lane } from '../../../src/journal/op.ts'
import { POSITIONS_MAX } from '../../limits.ts'
import { frontierKey, frontierOf, type LanePosition, positionHash } from './lane-position.ts'

/** Where the lanes stood lately, so that others' snapshots of those moments can be vouched for. */
export class PositionMemory {
  readonly #lanes = new Map<Lane, Map<string, string>>()

  record(position: LanePosition): void {
    const moments = this.#lanes.get(position.lane) ?? new Map<string, string>()
    this.#lanes.set(position.lane, moments)
    moments.set(frontierKey(frontierOf(position.points)), positionHash(position))
    for (const oldest of moments.keys()) {
      if (moments.size <= POSITIONS_MAX) break
      moments.delete(oldest)
    }
  }

  /** The lane's hash when it stood there; undefined when it never did, or too long ago. */
  at(lane: Lane, frontier: Frontier): string | undefined {
    return this.#lanes.get(lane)?.get(frontierKey(frontier))
  }
}
