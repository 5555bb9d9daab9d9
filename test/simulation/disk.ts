import { Fault } from '../../src/errors.ts'
import type { KeyRange, KeyValue, Write } from '../../src/journal/key-value.ts'
import { SortedRows } from './sorted-rows.ts'
import type { Life } from './world/time.ts'
import type { World } from './world/world.ts'

/** What may be wrong with a disk for a while. */
export interface DiskFaults {
  full: boolean
  /** Share of writes that fail. */
  eio: number
  /** How long an fsync takes. */
  syncMs: readonly [low: number, high: number]
}

/** An SSD as measured here; a bad moment of one is drawn by the nemesis. */
export const SOUND_DISK: DiskFaults = { full: false, eio: 0, syncMs: [0.2, 2] }

/**
 * One node's stable storage, which outlives the node. A batch is there once its fsync is over; a crash before
 * that keeps it whole or loses it whole, since a torn one fails LevelDB's checksum.
 */
export class SimDisk {
  rows = new SortedRows()
  faults: DiskFaults = { ...SOUND_DISK }
  readonly #world: World
  readonly #owner: string
  #unsynced: (readonly Write[])[] = []
  #lastSyncMs = 0

  constructor(world: World, owner: string) {
    this.#world = world
    this.#owner = owner
  }

  /** The store as a process has it open for as long as it lives. */
  open(life: Life): KeyValue {
    return {
      get: (key) => this.rows.get(key),
      range: (bounds) => iterate(this.rows, bounds),
      write: (batch) => this.#write(batch, life),
    }
  }

  /** The process is gone; what it had not synced is kept or lost as chance has it. */
  crash(): void {
    for (const batch of this.#unsynced) if (this.#world.random.chance(0.5)) this.#apply(batch)
    this.#unsynced = []
  }

  #write(batch: readonly Write[], life: Life): Promise<void> {
    const { faults } = this
    const world = this.#world
    // What a process that is gone still wanted to write.
    if (!life.alive) return new Promise(() => {})
    if (faults.full) {
      return Promise.reject(new Fault('STORAGE_FULL', 'the disk is full: nothing can be recorded'))
    }
    return new Promise((resolve, reject) => {
      // What is written at a crash stands in the log in the order it was asked for.
      const doneMs = Math.max(world.nowMs + world.random.between(...faults.syncMs), this.#lastSyncMs)
      this.#lastSyncMs = doneMs
      const failing = world.random.chance(faults.eio)
      if (!failing) this.#unsynced.push(batch)
      world.schedule(doneMs - world.nowMs, `${this.#owner} fsync of ${batch.length}`, () => {
        if (!life.alive) return
        if (failing) {
          reject(new Fault('STORE_WRITE_FAILED', 'the journal could not be written'))
          return
        }
        this.#unsynced = this.#unsynced.filter((one) => one !== batch)
        this.#apply(batch)
        resolve()
      })
    })
  }

  #apply(batch: readonly Write[]): void {
    for (const one of batch) {
      if (one.type === 'put') this.rows.put(one.key, one.value)
      else this.rows.delete(one.key)
    }
  }
}

/** As of the call, whatever is written while somebody reads. */
function iterate(rows: SortedRows, bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
  const found = rows.range(bounds)
  return {
    async *[Symbol.asyncIterator]() {
      yield* found
    },
  }
}
