import { Fault } from '../../src/errors.ts'
import type { TableChange } from '../../src/journal/journal.ts'
import type { Sequencer } from '../../src/journal/sequencer.ts'
import type { BlockFormat } from './block-format.ts'
import type { Damage } from './damage.ts'
import type { Forks } from './forks.ts'
import { Retelling, type RetellingParts } from './retelling.ts'

export interface TableMendParts extends Omit<RetellingParts, 'entryOf'> {
  readonly format: BlockFormat
  readonly sequencer: Sequencer
  readonly forks: Forks
  readonly damage: Damage
  /** Rows have been changed behind everybody's back. */
  readonly onMended: (changes: readonly TableChange[]) => void
}

/** Tables the disk has changed, made anew from the logs, whose every entry its author's signature vouches for. */
export class TableMend {
  readonly #parts: TableMendParts

  constructor(parts: TableMendParts) {
    this.#parts = parts
  }

  /**
   * Tells the tables anew beside those in use, and exchanges what differs in one batch.
   * @returns rows that stood otherwise
   * @throws Fault RETELLING_STUCK while a log has damaged entries itself, SNAPSHOT_UNREACHABLE, RETELLING_OVERTAKEN
   */
  async mend(): Promise<number> {
    const { store, sequencer, format, onMended } = this.#parts
    const retelling = new Retelling({
      ...this.#parts,
      entryOf: (block) => format.entryOf(block),
    })
    let mended: readonly TableChange[] = []
    try {
      await retelling.begin()
      await retelling.tell(sequencer.frontier())
      this.#checkLogs()
      await sequencer.replace(async () => {
        await retelling.tell(sequencer.frontier())
        this.#checkLogs()
        if (!retelling.isCurrent)
          throw new Fault('RETELLING_OVERTAKEN', 'older entries were let go while the tables were made anew')
        const { writes, changes } = await retelling.difference()
        if (writes.length > 0) await store.write(writes)
        mended = changes
      })
    } finally {
      await retelling.end()
    }
    if (mended.length > 0) onMended(mended)
    return mended.length
  }

  /** A log that is not whole tells less than has happened: its tables would be those of an earlier time. */
  #checkLogs(): void {
    const { damage, forks, sequencer } = this.#parts
    const frontier = sequencer.frontier()
    if (forks.list().some(({ feed }) => (frontier[feed] ?? 0) >= forks.at(feed)))
      throw new Fault('RETELLING_STUCK', 'what lies behind a fork is to be taken back first')
    if (damage.status.waiting > 0)
      throw new Fault(
        'RETELLING_STUCK',
        'the logs have damaged entries themselves, which are asked for again',
      )
  }
}
