import { type Frontier, type Lane, parseFeedId } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { Logger } from '../../../src/runtime/logger.ts'
import type { Startable } from '../../../src/runtime/startable.ts'
import type { Timers } from '../../../src/runtime/timers.ts'
import { PRUNE_CHECK_MS, PRUNE_REST_MS } from '../../limits.ts'
import type { NodeId } from '../../network/network.ts'
import type { ReplicatedJournal } from '../replicated-journal.ts'
import { covers } from './lane-position.ts'
import { attestationsOf, fleetOf, isGoodForAll, snapshotsOf } from './snapshot-choice.ts'
import type { SnapshotShelf } from './snapshot-shelf.ts'
import { laggards } from './stability.ts'

export interface PrunerParts {
  readonly journal: ReplicatedJournal
  readonly shelf: SnapshotShelf
  /** Where a member said it stands; undefined when that is not known. */
  readonly heardFrom: (node: NodeId) => Frontier | undefined
  readonly timers: Timers
  readonly log: Logger
}

/** Lets go of what no member will ask for again: log behind stable snapshots, and months of trail past their time. */
export class Pruner implements Startable {
  readonly #parts: PrunerParts
  readonly #checkMs: number
  #stopping = new AbortController()
  #task: Promise<void> | undefined

  constructor(parts: PrunerParts, { checkMs = PRUNE_CHECK_MS } = {}) {
    this.#parts = parts
    this.#checkMs = checkMs
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#task = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the ledger is stopping'))
    await this.#task
  }

  /** Raises every floor that can be, and deletes what lies below. @returns lanes whose floor rose */
  async prune(): Promise<Lane[]> {
    const { journal, log } = this.#parts
    const raised: Lane[] = []
    for (const lane of lanesOf(journal.frontier())) {
      const snapshot = await this.#stable(lane)
      if (!snapshot) continue
      await journal.lanes.raiseFloor(lane, {
        snapshot: snapshot.id,
        digest: snapshot.digest,
        frontier: snapshot.frontier,
      })
      log.info({ lane, snapshot: snapshot.id }, 'the log behind a snapshot is deleted')
      raised.push(lane)
    }
    return raised
  }

  async #stable(lane: Lane): Promise<SnapshotRow | undefined> {
    const { journal, heardFrom, shelf } = this.#parts
    const fleet = await fleetOf(journal.tables)
    const floor = journal.lanes.floor(lane)?.frontier ?? {}
    const standing = {
      self: journal.node,
      frontier: journal.frontier(),
      seenBy: (feed: string) => journal.seenBy(feed),
      heardFrom,
    }
    for (const snapshot of await snapshotsOf(journal.tables, lane)) {
      // Floors only rise.
      if (!covers(snapshot.frontier, floor) || covers(floor, snapshot.frontier)) continue
      if (!isGoodForAll(snapshot, fleet)) continue
      const attestations = attestationsOf(journal.tables, snapshot)
      if (laggards({ ...snapshot, attestations }, fleet.members, standing).length > 0) continue
      // It stands for the log that goes, so it has to be here.
      await shelf.fetch(snapshot.digest, this.#stopping.signal)
      return snapshot
    }
    return undefined
  }

  /** Raises floors, drops what is past its time, and deletes what lies below. @returns lanes whose floor rose */
  async sweep(): Promise<Lane[]> {
    const { journal, timers } = this.#parts
    const rest = () => timers.sleep(PRUNE_REST_MS, this.#stopping.signal)
    const raised = await this.prune()
    for (const lane of lanesOf(journal.frontier())) {
      if (journal.lanes.isExpired(lane)) await journal.lanes.drop(lane, rest)
    }
    // A crash may have come between a floor and its deletions: what lies below is looked for each time.
    await journal.lanes.deleteBelowFloors(rest)
    return raised
  }

  async #run(): Promise<void> {
    const { timers, log } = this.#parts
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.sweep()
      } catch (error) {
        if (!signal.aborted) log.warn({ error }, 'the log could not be pruned')
      }
      await timers.sleep(this.#checkMs, signal).catch(() => {})
    }
  }
}

function lanesOf(frontier: Frontier): Lane[] {
  return [...new Set(Object.keys(frontier).map((feed) => parseFeedId(feed).lane))]
}
