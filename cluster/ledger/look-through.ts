import { decode, encode } from 'cborg'
import { isFault } from '../../src/errors.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import type { LaneFamily } from '../../src/journal/op.ts'
import type { StorageCheck } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'
import { type Inspection, type Place, REMEDY } from './soundness.ts'

export interface LookPace {
  /** Rows and entries read between two rests. */
  readonly perRest: number
  readonly restMs: number
  /** Before the first look, so that a start is not slowed down. */
  readonly firstMs: number
  /** From the end of one look to the next. */
  readonly betweenMs: number
  /** To the next, where something is still damaged. */
  readonly againMs: number
}

/**
 * 500 rows a second cost under one percent of a core and go through a million rows in half an hour. A disk
 * that flips bits is noticed within a day.
 */
export const LOOK_PACE: LookPace = {
  perRest: 50,
  restMs: 100,
  firstMs: 60_000,
  betweenMs: 24 * 60 * 60_000,
  againMs: 5 * 60_000,
}
/** At full speed others get their turn every few milliseconds. */
const PER_REST_HURRIED = 256
/** Where in the logs the next look begins: a node that is restarted often comes round all the same. */
const CURSOR = 'looked-through'
/** Entries between two notes of that: each costs a synced write. */
const ENTRIES_PER_NOTE = 20_000
/** Damaged entries named in an answer. */
const NAMED_MAX = 100

export interface LookThroughParts {
  readonly journal: Pick<ReplicatedJournal, 'inspect' | 'mendTables' | 'status'>
  readonly store: KeyValue
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

/**
 * Reads everything that is stored again and again, slowly, or at once when asked: LevelDB as it is built here does
 * not hold what it reads against its checksums. Tables that do not give their hash are made anew from the logs.
 */
export class LookThrough implements Startable {
  readonly #parts: LookThroughParts
  readonly #pace: LookPace
  #stopping = new AbortController()
  /** Ends a wait, or a slow look, for one at full speed. */
  #interrupt = new AbortController()
  #hurried = false
  #running = false
  #loop: Promise<void> = Promise.resolve()
  #read: { rows: number; entries: number } = { rows: 0, entries: 0 }
  #looks = 0
  #failedLooks = 0
  #mendedRows = 0
  #damagedTables: readonly LaneFamily[] = []
  #failure: string | null = null
  #last: StorageCheck['last'] = null

  constructor(parts: LookThroughParts, pace: Partial<LookPace> = {}) {
    this.#parts = parts
    this.#pace = { ...LOOK_PACE, ...pace }
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
  }

  /** Looks at all of it at once and at full speed; one that was asked for and still runs goes on. */
  now(): void {
    if (this.#hurried) return
    this.#hurried = true
    this.#interrupt.abort()
  }

  get state(): StorageCheck {
    const { lanes } = this.#parts.journal.status()
    const entries = lanes.reduce((sum, lane) => sum + lane.entries - lane.pruned.entries, 0)
    const running = this.#running || this.#hurried
    return { running, ...this.#read, entriesTotal: entries, last: this.#last }
  }

  /** Counted since the start. */
  get facts() {
    const { waiting, mended } = this.#parts.journal.status().damaged
    return {
      damagedEntries: waiting,
      mendedEntries: mended,
      damagedTables: this.#damagedTables,
      mendedRows: this.#mendedRows,
      looks: this.#looks,
      failedLooks: this.#failedLooks,
    }
  }

  /** What an operator should know. */
  notices(): string[] {
    const { waiting } = this.#parts.journal.status().damaged
    const disk = 'the disk of this node changes what is written to it: replace it'
    return [
      ...(waiting > 0 ? [`${waiting} stored entries are damaged and asked for again; ${disk}`] : []),
      ...(this.#failure === null ? [] : [`${this.#failure}; ${disk}`]),
    ]
  }

  async #run(): Promise<void> {
    const { timers } = this.#parts
    const stopping = this.#stopping.signal
    let waitMs = this.#pace.firstMs
    while (!stopping.aborted) {
      if (!this.#hurried) await timers.sleep(waitMs, this.#signal()).catch(() => {})
      if (stopping.aborted) return
      const hurried = this.#hurried
      this.#interrupt = new AbortController()
      this.#running = true
      await this.#look(hurried)
      this.#running = false
      if (hurried) this.#hurried = false
      waitMs = this.#failure === null ? this.#pace.betweenMs : this.#pace.againMs
    }
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, this.#interrupt.signal])
  }

  async #look(hurried: boolean): Promise<void> {
    const { journal, clock, timers, log } = this.#parts
    const { perRest, restMs } = this.#pace
    const signal = hurried ? this.#stopping.signal : this.#signal()
    const since = clock.monotonic()
    this.#read = { rows: 0, entries: 0 }
    let at: Place | undefined
    let noted = 0
    const rest = async () => {
      await timers.sleep(hurried ? 0 : restMs, signal)
      if (at === undefined || this.#read.entries - noted < ENTRIES_PER_NOTE) return
      noted = this.#read.entries
      await this.#note(at)
    }
    let mendedRows = 0
    let found: Inspection = { rows: 0, entries: 0, damaged: [], tables: [] }
    try {
      found = await journal.inspect(rest, {
        perRest: hurried ? PER_REST_HURRIED : perRest,
        from: this.#noted(),
        onRead: ({ rows, entries, at: place }) => {
          this.#read = { rows, entries }
          at = place
        },
      })
      if (found.tables.length > 0) mendedRows = await this.#mend(found.tables)
      else this.#sound()
      this.#looks++
    } catch (error) {
      // A look that was ended says nothing.
      if (signal.aborted) {
        if (at !== undefined) await this.#note(at).catch(() => {})
        return
      }
      this.#failedLooks++
      this.#failure = `the records could not be read (${wordsOf(error)}): ${REMEDY}`
      log.error({ err: error }, this.#failure)
    }
    this.#last = {
      at: new Date(clock.now()).toISOString(),
      milliseconds: Math.round(clock.monotonic() - since),
      rows: found.rows,
      entries: found.entries,
      damagedEntries: found.damaged.length,
      entriesNamed: found.damaged.slice(0, NAMED_MAX),
      damagedTables: found.tables,
      mendedRows,
      failure: this.#failure,
    }
  }

  async #mend(tables: readonly LaneFamily[]): Promise<number> {
    const { journal, log, timers } = this.#parts
    this.#damagedTables = tables
    log.error({ tables }, 'records do not give their hash: the disk has changed them; they are made anew')
    let rows = 0
    try {
      rows = await journal.mendTables()
      this.#mendedRows += rows
      const rest = () => timers.sleep(0, this.#stopping.signal)
      const { tables: left } = await journal.inspect(rest, { tablesOnly: true })
      this.#damagedTables = left
      if (left.length === 0) {
        this.#sound()
        log.warn({ tables, rows }, 'damaged records were made anew from the logs')
        return rows
      }
      this.#failure = `records of ${left.join(', ')} do not give their hash: ${REMEDY}`
      log.error({ tables: left }, this.#failure)
    } catch (error) {
      this.#stopping.signal.throwIfAborted()
      this.#failure = `records of ${tables.join(', ')} are damaged and could not be made anew (${wordsOf(error)}); it is tried again. Where that does not help: ${REMEDY}`
      log.error({ tables, err: error }, this.#failure)
    }
    return rows
  }

  #sound(): void {
    this.#damagedTables = []
    this.#failure = null
  }

  #noted(): Place | undefined {
    const row = this.#parts.store.get(CURSOR)
    try {
      const { feed, seq } = decode(row as Uint8Array) as Partial<Place>
      return typeof feed === 'string' && Number.isSafeInteger(seq) ? { feed, seq: seq as number } : undefined
    } catch {
      return undefined
    }
  }

  async #note(at: Place): Promise<void> {
    await this.#parts.store.write([{ type: 'put', key: CURSOR, value: encode(at) }])
  }
}

function wordsOf(error: unknown): string {
  return isFault(error) || error instanceof Error ? error.message : String(error)
}
