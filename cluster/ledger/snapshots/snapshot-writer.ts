import { isDeepStrictEqual } from 'node:util'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Frontier, familyOf, type Lane, parseFeedId } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Logger } from '../../../src/runtime/logger.ts'
import type { Random } from '../../../src/runtime/random.ts'
import type { Startable } from '../../../src/runtime/startable.ts'
import type { Timers } from '../../../src/runtime/timers.ts'
import {
  POSITION_REST_MS,
  SNAPSHOT_BLOBS_KEPT,
  SNAPSHOT_CHECK_MS,
  SNAPSHOT_ENTRIES,
  SNAPSHOT_JITTER_MS,
  SNAPSHOT_LOG_BYTES,
  SNAPSHOT_PATIENCE_MS,
  SNAPSHOT_QUIET_MS,
  SNAPSHOT_SIGNERS_WANTED,
} from '../../limits.ts'
import type { BlockFormat } from '../block-format.ts'
import type { ReplicatedJournal } from '../replicated-journal.ts'
import { isOvertaken } from './authority-tail.ts'
import { covers, frontierOf, part, positionHash } from './lane-position.ts'
import { PositionMemory } from './position-memory.ts'
import { type Fleet, fleetOf, isGoodForAll, snapshotsOf } from './snapshot-choice.ts'
import { writeSnapshot } from './snapshot-form.ts'
import { holdsWhatItSays } from './snapshot-proof.ts'
import type { SnapshotShelf } from './snapshot-shelf.ts'

/** How often a lane is snapshotted; tests ask for it sooner. */
export interface SnapshotPace {
  readonly entries: number
  readonly logBytes: number
  readonly checkMs: number
  readonly jitterMs: number
  readonly quietMs: number
  readonly patienceMs: number
}

export const SNAPSHOT_PACE: SnapshotPace = {
  entries: SNAPSHOT_ENTRIES,
  logBytes: SNAPSHOT_LOG_BYTES,
  checkMs: SNAPSHOT_CHECK_MS,
  jitterMs: SNAPSHOT_JITTER_MS,
  quietMs: SNAPSHOT_QUIET_MS,
  patienceMs: SNAPSHOT_PATIENCE_MS,
}

export interface SnapshotWriterParts {
  readonly journal: ReplicatedJournal
  readonly shelf: SnapshotShelf
  readonly format: Pick<BlockFormat, 'read'>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}

/**
 * Writes down what a lane amounts to when it has grown, and vouches for what others wrote down when this
 * node stood at the same place. The authority lane is never written down: everybody replays it.
 */
export class SnapshotWriter implements Startable {
  readonly #parts: SnapshotWriterParts
  readonly #pace: SnapshotPace
  readonly #memory = new PositionMemory()
  readonly #changedMs = new Map<Lane, number>()
  readonly #dueMs = new Map<Lane, number>()
  readonly #dirty = new Set<Lane>()
  /** When a lane is written down once more for want of members that vouch. */
  readonly #again = new Map<Lane, { readonly untilMs: number; readonly waitMs: number }>()
  /** Snapshots whose blob is of something else than they say. */
  readonly #false = new Set<string>()
  /** Snapshots whose blob is known not to be here any more. */
  readonly #dropped = new Set<string>()
  #stopping = new AbortController()
  #tasks: Promise<void>[] = []
  #unfollow = () => {}
  #wake: () => void = () => {}

  constructor(parts: SnapshotWriterParts, pace: SnapshotPace = SNAPSHOT_PACE) {
    this.#parts = parts
    this.#pace = pace
  }

  async start(): Promise<void> {
    const { journal, clock } = this.#parts
    this.#stopping = new AbortController()
    for (const lane of this.#lanes()) this.#dirty.add(lane)
    this.#unfollow = journal.onEntries((entries) => {
      for (const { lane } of entries) {
        if (!isSnapshotted(lane)) continue
        this.#changedMs.set(lane, clock.monotonic())
        this.#dirty.add(lane)
        this.#wake()
      }
    })
    this.#tasks = [this.#remembering(), this.#checking()]
  }

  async stop(): Promise<void> {
    this.#unfollow()
    this.#stopping.abort(new Error('the ledger is stopping'))
    this.#wake()
    await Promise.all(this.#tasks)
  }

  /** Writes the lane down now. @returns the op's id */
  async write(lane: Lane): Promise<string | undefined> {
    const { journal, shelf, log } = this.#parts
    const { position, rows } = await journal.lanes.capture(lane)
    this.#memory.record(position)
    const frames = writeSnapshot(
      journal.cluster,
      position,
      ({ feed, seq }) => journal.lanes.blockAt(feed, seq) ?? new Uint8Array(),
      rows,
    )
    const { digest, bytes } = await shelf.put(frames, this.#stopping.signal)
    const body = {
      lane,
      frontier: frontierOf(position.points),
      authority: position.authority,
      stateHash: positionHash(position),
      digest,
      bytes,
    }
    const { ids } = await journal.commit(AUTHORITY, () => [op('lane.snapshotted', body, 'node')])
    log.info({ lane, digest, bytes }, 'a lane was snapshotted')
    return ids[0]
  }

  /** Vouches for what others wrote down, where this node has stood at the same place. @returns how many */
  async attest(): Promise<number> {
    const { journal, shelf, format, log } = this.#parts
    const { anchors } = await fleetOf(journal.tables)
    if (!anchors.has(journal.node)) return 0
    let attested = 0
    for (const lane of this.#lanes()) {
      for (const snapshot of await snapshotsOf(journal.tables, lane)) {
        const { id } = snapshot
        if (this.#false.has(id) || !wants(snapshot, journal.node, anchors)) continue
        // One that has just come by it stands there as well.
        if (isDeepStrictEqual(part(journal.frontier(), lane), snapshot.frontier))
          this.#memory.record(await journal.lanes.position(lane))
        const hash = this.#memory.at(lane, snapshot.frontier)
        if (hash === undefined) continue
        if (hash !== snapshot.stateHash) {
          log.error({ lane, snapshot: id, signers: snapshot.signers }, 'a snapshot is not what this node had')
          continue
        }
        // Who vouches for it holds it, so that it does not go with its author.
        const proof = { cluster: journal.cluster, shelf, format, signal: this.#stopping.signal }
        if (!(await holdsWhatItSays(snapshot, proof))) {
          this.#false.add(id)
          log.error(
            { lane, snapshot: id, signers: snapshot.signers },
            'a snapshot does not hold what it says',
          )
          continue
        }
        const { ids } = await journal.commit(AUTHORITY, (tables) => {
          const row = tables.get('snapshots', id)
          return row && wants(row, journal.node, anchors)
            ? [op('lane.attested', { snapshot: id }, 'node')]
            : []
        })
        attested += ids.length
      }
    }
    return attested
  }

  async #remembering(): Promise<void> {
    const { journal, timers } = this.#parts
    while (!this.#stopping.signal.aborted) {
      const lanes = [...this.#dirty]
      this.#dirty.clear()
      for (const lane of lanes) {
        await this.#attempt(async () => this.#memory.record(await journal.lanes.position(lane)))
      }
      await timers.sleep(POSITION_REST_MS, this.#stopping.signal).catch(() => {})
      if (this.#dirty.size === 0 && !this.#stopping.signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  async #checking(): Promise<void> {
    const { timers } = this.#parts
    while (!this.#stopping.signal.aborted) {
      await timers.sleep(this.#pace.checkMs, this.#stopping.signal).catch(() => {})
      if (this.#stopping.signal.aborted) return
      await this.#attempt(async () => {
        await this.attest()
      })
      await this.#attempt(() => this.#writeWhatIsDue())
      for (const lane of this.#lanes()) await this.#attempt(() => this.#tidy(lane))
    }
  }

  async #writeWhatIsDue(): Promise<void> {
    const { journal, clock, random } = this.#parts
    const fleet = await fleetOf(journal.tables)
    if (!fleet.anchors.has(journal.node)) return
    for (const lane of this.#lanes()) {
      if (!(await this.#isDue(lane, fleet))) {
        this.#dueMs.delete(lane)
        continue
      }
      const nowMs = clock.monotonic()
      const dueMs = this.#dueMs.get(lane) ?? nowMs + random.integer(this.#pace.jitterMs + 1)
      this.#dueMs.set(lane, dueMs)
      const restedMs = nowMs - (this.#changedMs.get(lane) ?? Number.NEGATIVE_INFINITY)
      const quiet = restedMs >= this.#pace.quietMs || nowMs - dueMs >= this.#pace.patienceMs
      if (nowMs < dueMs || !quiet) continue
      this.#dueMs.delete(lane)
      await this.write(lane)
    }
  }

  /** It has grown enough since the newest snapshot, or that one is of no use to somebody who needs it. */
  async #isDue(lane: Lane, fleet: Fleet): Promise<boolean> {
    const { journal, format } = this.#parts
    const [newest] = await snapshotsOf(journal.tables, lane)
    const ours = part(journal.frontier(), lane)
    const entries = sizeOf(ours) - sizeOf(newest?.frontier ?? {})
    const status = journal.lanes.status().find((one) => one.lane === lane)
    const mean = (status?.logBytes ?? 0) / Math.max(1, sizeOf(ours) - (status?.pruned.entries ?? 0))
    if (entries >= this.#pace.entries || entries * mean >= this.#pace.logBytes) return true
    if (newest && !covers(ours, newest.frontier)) return false
    if (this.#isStranding(lane, newest, fleet)) return true
    return newest !== undefined && isOvertaken(newest, journal, format)
  }

  /**
   * The lane's beginning is gone, and what stands for it is vouched for by too few since members came or went, or was
   * itself taken back with a fork: somebody may need it and not be able to take it. Who stands there may still vouch;
   * once the lane has moved on nobody can any more. Ever more seldom, for those who could vouch for a new one may be
   * away.
   */
  #isStranding(lane: Lane, newest: SnapshotRow | undefined, fleet: Fleet): boolean {
    const { journal, clock } = this.#parts
    const floor = journal.lanes.floor(lane)
    if (!floor?.snapshot) return false
    const isGood = newest && covers(newest.frontier, floor.frontier) && isGoodForAll(newest, fleet)
    if (isGood) this.#again.delete(lane)
    if (isGood || isDeepStrictEqual(part(journal.frontier(), lane), newest?.frontier)) return false
    const { untilMs, waitMs } = this.#again.get(lane) ?? { untilMs: 0, waitMs: this.#pace.patienceMs }
    const nowMs = clock.monotonic()
    if (nowMs < untilMs) return this.#dueMs.has(lane)
    this.#again.set(lane, { untilMs: nowMs + waitMs, waitMs: waitMs * 2 })
    return true
  }

  /** Lets go of blobs of snapshots that newer ones have taken the place of: written here, or vouched for. */
  async #tidy(lane: Lane): Promise<void> {
    const { journal, shelf } = this.#parts
    const rows = await snapshotsOf(journal.tables, lane)
    const floor = journal.lanes.floor(lane)?.snapshot
    const isKept = ({ id }: SnapshotRow, index: number) => index < SNAPSHOT_BLOBS_KEPT || id === floor
    const kept = new Set<string>(rows.filter(isKept).map(({ digest }) => digest))
    for (const { id, digest } of rows) {
      if (kept.has(digest) || this.#dropped.has(id)) continue
      await shelf.drop(digest)
      this.#dropped.add(id)
    }
  }

  #lanes(): Lane[] {
    const lanes = Object.keys(this.#parts.journal.frontier()).map((feed) => parseFeedId(feed).lane)
    return [...new Set(lanes)].filter(isSnapshotted)
  }

  async #attempt(task: () => Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#parts.log.warn({ error }, 'a snapshot was not written')
    }
  }
}

/** Authority is kept and replayed whole; trail is dropped by the month. */
function isSnapshotted(lane: Lane): boolean {
  const family = familyOf(lane)
  return family === 'catalog' || family === 'verdicts'
}

function sizeOf(frontier: Frontier): number {
  return Object.values(frontier).reduce((sum, seq) => sum + seq, 0)
}

function wants(
  { signers }: Pick<SnapshotRow, 'signers'>,
  node: string,
  anchors: ReadonlySet<string>,
): boolean {
  if (signers.includes(node)) return false
  return signers.filter((signer) => anchors.has(signer)).length < SNAPSHOT_SIGNERS_WANTED
}
