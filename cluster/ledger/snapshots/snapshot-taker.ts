import { type Fault, isFault, isStorageFault } from '../../../src/errors.ts'
import type { Lane } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { Logger } from '../../../src/runtime/logger.ts'
import type { BlockFormat } from '../block-format.ts'
import type { ReplicatedJournal } from '../replicated-journal.ts'
import { isOvertaken } from './authority-tail.ts'
import { covers, part } from './lane-position.ts'
import { fleetOf, isAttested, snapshotsOf } from './snapshot-choice.ts'
import type { SnapshotShelf } from './snapshot-shelf.ts'

/** Brings a lane up to date by a snapshot: the newest that enough members vouch for and that holds what it says. */
export class SnapshotTaker {
  readonly #journal: ReplicatedJournal
  readonly #shelf: SnapshotShelf
  readonly #format: Pick<BlockFormat, 'read'>
  readonly #log: Logger
  readonly #taking = new Map<Lane, Promise<boolean>>()
  /** Snapshots that were looked at and are no good, by op. */
  readonly #bad = new Set<string>()
  readonly #refusals = new Map<string, number>()

  constructor(parts: {
    journal: ReplicatedJournal
    shelf: SnapshotShelf
    format: Pick<BlockFormat, 'read'>
    log: Logger
  }) {
    this.#journal = parts.journal
    this.#shelf = parts.shelf
    this.#format = parts.format
    this.#log = parts.log
  }

  /** How often each reason made a snapshot be passed over, since the start. */
  get refusals(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refusals)
  }

  /**
   * @returns whether the lane is further now than before; false: the log is to be tried
   * @throws what this node's own storage throws; no snapshot is passed over for that
   */
  take(lane: Lane, signal: AbortSignal): Promise<boolean> {
    const running = this.#taking.get(lane) ?? this.#take(lane, signal)
    this.#taking.set(lane, running)
    return running.finally(() => this.#taking.delete(lane))
  }

  async #take(lane: Lane, signal: AbortSignal): Promise<boolean> {
    for (const snapshot of await this.#usable(lane)) {
      try {
        await this.#install(snapshot, signal).catch(async (error: unknown) => {
          if (!isFault(error) || !error.facts['retried']) throw error
          // What a member sent was a lie, and others are being asked: now nothing is used before it is whole.
          await this.#shelf.fetch(snapshot.digest, signal)
          await this.#install(snapshot, signal)
        })
        this.#log.info({ lane, snapshot: snapshot.id, bytes: snapshot.bytes }, 'a lane came by its snapshot')
        return true
      } catch (error) {
        signal.throwIfAborted()
        // Nothing is wrong with the snapshot where this node's own disk fails: the next one would do no better.
        if (!isFault(error) || isStorageFault(error)) throw error
        this.#refuse(snapshot, error)
      }
    }
    return false
  }

  #install(snapshot: SnapshotRow, signal: AbortSignal): Promise<void> {
    const isUsable = async () => !(await isOvertaken(snapshot, this.#journal, this.#format))
    return this.#shelf.read(snapshot.digest, snapshot.bytes, signal, (stream) =>
      this.#journal.lanes.install(snapshot, stream, isUsable),
    )
  }

  async #usable(lane: Lane): Promise<SnapshotRow[]> {
    const journal = this.#journal
    const fleet = await fleetOf(journal.tables)
    const ours = part(journal.frontier(), lane)
    const usable: SnapshotRow[] = []
    for (const snapshot of await snapshotsOf(journal.tables, lane)) {
      if (this.#bad.has(snapshot.id) || covers(ours, snapshot.frontier)) continue
      if (!isAttested(snapshot, fleet, journal.node)) {
        this.#refuse(snapshot, { code: 'SNAPSHOT_UNATTESTED' })
      } else if (await isOvertaken(snapshot, journal, this.#format)) {
        this.#refuse(snapshot, { code: 'SNAPSHOT_OVERTAKEN' })
      } else usable.push(snapshot)
    }
    return usable
  }

  #refuse({ id, lane, signers }: SnapshotRow, { code }: Pick<Fault, 'code'>): void {
    if (code === 'SNAPSHOT_INVALID' || code.startsWith('BLOCK_') || code.startsWith('ENTRY_'))
      this.#bad.add(id)
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1)
    this.#log.warn({ code, snapshot: id, lane, signers }, 'a snapshot is passed over')
  }
}
