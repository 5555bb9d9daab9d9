import type { KeyValue } from '../../../src/journal/key-value.ts'
import { laneRows, type RawRow } from '../../../src/journal/lane-rows.ts'
import { type FeedId, familyOf, type Lane, type OpId, parseFeedId } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { Moment, Sequencer } from '../../../src/journal/sequencer.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { blockKey, decodeBlock, indexKey } from '../layout.ts'
import type { FeedRange, StoredFeeds } from '../stored-feeds.ts'
import type { Floor, Floors } from './floors.ts'
import type { LaneInstaller, SnapshotBytes } from './lane-installer.ts'
import { covers, type LanePosition, lanePosition, part } from './lane-position.ts'
import { isExpired } from './retention.ts'
import { deleteRange, dropRows } from './slices.ts'

export interface LaneStatus {
  readonly lane: Lane
  /** Since the beginning. */
  readonly entries: number
  /** Of the log that is here: entries times the mean of some. */
  readonly logBytes: number
  /** Entries that are gone, and the snapshot op that stands for them. */
  readonly pruned: { readonly entries: number; readonly snapshot: OpId | null }
}

/** Where the log does not go back so far any more. */
export interface Pruned {
  readonly lane: Lane
  readonly snapshot: OpId | null
}

export interface LaneKeeperParts {
  readonly store: KeyValue
  readonly sequencer: Sequencer
  readonly feeds: StoredFeeds
  readonly floors: Floors
  readonly installer: LaneInstaller
  readonly clock: Clock
  readonly trailMonths: number
  /** Nothing from elsewhere is being taken in. */
  readonly idle: () => Promise<void>
  /** Takes blocks in as if they came from elsewhere. */
  readonly take: (blocks: readonly Uint8Array[]) => Promise<unknown>
  /** Told of a lane whose feeds may stand elsewhere than before. */
  readonly onMoved: (lane: Lane) => void
}

/** Newest entries of a feed that are looked at to tell the size of its log. */
const SAMPLED_ENTRIES = 8

/** Lanes as a whole: written down, put in place, and let go of. */
export class LaneKeeper {
  readonly #parts: LaneKeeperParts
  readonly #listeners = new Set<(lane: Lane) => void>()

  constructor(parts: LaneKeeperParts) {
    this.#parts = parts
  }

  /** Tells of lanes whose rows are those of a snapshot now: no change of a row is told for them. */
  onInstalled(listener: (lane: Lane) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A lane's position and rows of one moment; the rows can be read at leisure. */
  capture(lane: Lane): Promise<{ position: LanePosition; rows: AsyncIterable<RawRow> }> {
    return this.#atRest((moment) => ({
      position: this.#positionOf(lane, moment),
      rows: laneRows(this.#parts.store, lane),
    }))
  }

  /** Where a lane stands. */
  position(lane: Lane): Promise<LanePosition> {
    return this.#atRest((moment) => this.#positionOf(lane, moment))
  }

  /** A signed entry as it is here. */
  blockAt(feed: FeedId, seq: number): Uint8Array | undefined {
    return this.#parts.feeds.at(feed, seq)?.bytes
  }

  /**
   * Puts a snapshot's rows in the place of a lane's. What the lane has beyond it is applied again behind it.
   * @throws Fault SNAPSHOT_INVALID
   */
  async install(
    snapshot: SnapshotRow,
    open: SnapshotBytes,
    isUsable: () => Promise<boolean> = async () => true,
  ): Promise<void> {
    const { installer, idle, onMoved } = this.#parts
    const lane = snapshot.lane as Lane
    try {
      await idle()
      await installer.install(snapshot, open, isUsable)
    } finally {
      onMoved(lane)
      for (const listener of this.#listeners) listener(lane)
    }
    await this.#takeAside(lane)
  }

  /** Applies again what was put aside, as far as it fits by now. */
  async takeAside(): Promise<void> {
    for (const lane of this.#parts.installer.unsettled()) await this.#takeAside(lane)
  }

  floor(lane: Lane): Floor | undefined {
    return this.#parts.floors.of(lane)
  }

  /** Says durably that the lane's log goes back no further; the rows go later. */
  async raiseFloor(lane: Lane, floor: Floor): Promise<void> {
    const { store, floors } = this.#parts
    await store.write([floors.write(lane, floor)])
    floors.set(lane, floor)
  }

  /** Deletes what lies below the floors, in slices. @param rest waits between two */
  async deleteBelowFloors(rest: () => Promise<void>): Promise<number> {
    const { store, floors } = this.#parts
    let entries = 0
    for (const [, { frontier }] of floors.all()) {
      for (const [feed, seq] of Object.entries(frontier)) {
        const range = { gte: blockKey(feed, 0), lt: blockKey(feed, seq) }
        entries += await deleteRange(store, range, rest, (_, row) => [
          { type: 'del', key: indexKey(feed, decodeBlock(row).hash) },
        ])
      }
    }
    return entries
  }

  /**
   * Lanes of those ranges whose log here begins behind where the range does. Who asks has the range's first entry
   * itself, to see whether it is the same here: where only that one is gone the next names it.
   */
  pruned(ranges: readonly FeedRange[]): Pruned[] {
    const { floors } = this.#parts
    // From 1 on asks who has nothing of it, too.
    const isGone = ({ feed, from }: FeedRange) => from < floors.at(feed) - (from > 1 ? 1 : 0)
    const lanes = new Set(ranges.filter(isGone).map(({ feed }) => parseFeedId(feed).lane))
    return [...lanes].map((lane) => ({ lane, snapshot: floors.of(lane)?.snapshot ?? null }))
  }

  /** What of those ranges is here. */
  held(ranges: readonly FeedRange[]): FeedRange[] {
    const { floors } = this.#parts
    return ranges
      .map(({ feed, from, to }) => ({ feed, from: Math.max(from, floors.at(feed)), to }))
      .filter(({ from, to }) => from <= to)
  }

  /** A month of trail that is kept no longer: neither asked for nor taken in. */
  isExpired(lane: Lane): boolean {
    return isExpired(lane, this.#parts.clock.now(), this.#parts.trailMonths)
  }

  isDropped(lane: Lane): boolean {
    return this.#parts.floors.of(lane)?.snapshot === null
  }

  /**
   * Lets go of a month of trail: rows and log, but for each feed's newest entry. Once all have, it is as if it
   * had never been; until then positions differ, so that nobody compares hashes.
   */
  async drop(lane: Lane, rest: () => Promise<void> = async () => {}): Promise<void> {
    const { store, sequencer, onMoved } = this.#parts
    const frontier = part(sequencer.frontier(), lane)
    const floor = this.floor(lane)
    if (!floor || floor.snapshot !== null || !covers(floor.frontier, frontier)) {
      await this.raiseFloor(lane, { snapshot: null, frontier })
    }
    onMoved(lane)
    const left = { rows: true }
    while (left.rows) {
      await sequencer.replace(async () => {
        left.rows = await dropRows(store, lane, sequencer.tables.hashOf(familyOf(lane)))
      })
      await rest()
    }
    onMoved(lane)
    await this.deleteBelowFloors(rest)
  }

  status(): LaneStatus[] {
    const { sequencer, floors } = this.#parts
    const frontier = sequencer.frontier()
    const lanes = [...new Set(Object.keys(frontier).map((feed) => parseFeedId(feed).lane))].sort()
    return lanes.map((lane) => {
      const feeds = Object.entries(part(frontier, lane))
      const entries = feeds.reduce((sum, [, seq]) => sum + seq, 0)
      const gone = feeds.reduce((sum, [feed]) => sum + floors.at(feed) - 1, 0)
      const sample = feeds.flatMap(([feed, seq]) => {
        const first = Math.max(floors.at(feed), seq - SAMPLED_ENTRIES + 1)
        return Array.from({ length: seq - first + 1 }, (_, n) => this.blockAt(feed, first + n)?.length ?? 0)
      })
      const mean = sample.reduce((sum, bytes) => sum + bytes, 0) / Math.max(1, sample.length)
      const pruned = { entries: gone, snapshot: floors.of(lane)?.snapshot ?? null }
      return { lane, entries, logBytes: Math.round((entries - gone) * mean), pruned }
    })
  }

  #positionOf(lane: Lane, moment: Moment): LanePosition {
    return lanePosition(this.#parts.store, lane, moment.frontier, moment.hashOf(familyOf(lane)))
  }

  /** Between two groups, with nothing left to be decided again: rows are then what the ops make of them. */
  async #atRest<T>(look: (moment: Moment) => T): Promise<T> {
    const { sequencer } = this.#parts
    for (;;) {
      await sequencer.settled()
      const seen = await sequencer.freeze((moment) =>
        sequencer.isReviewing ? undefined : { value: look(moment) },
      )
      if (seen) return seen.value
    }
  }

  async #takeAside(lane: Lane): Promise<void> {
    const { installer, take } = this.#parts
    const blocks = await installer.aside(lane)
    if (blocks.length > 0) await take(blocks)
    await installer.settle(lane)
  }
}
