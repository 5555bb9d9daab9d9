import { statfs } from 'node:fs/promises'
import { JOURNAL_RESERVE_BYTES } from '../limits.ts'
import type { StorageFacts, StorageState } from '../registry/storage-state.ts'
import type { LevelStore } from './level/level-store.ts'

const MIB = 1024 * 1024

export interface StorageWatchParts {
  readonly store: Pick<LevelStore, 'damage' | 'unwritable'>
  readonly directories: { readonly journal: string; readonly blobs: string }
  /** Free bytes below which an operator is told. */
  readonly warnBelowBytes: number
}

/** Looks at the volumes when it is asked, and at what the store has met by itself. */
export class StorageWatch implements StorageState {
  readonly #parts: StorageWatchParts

  constructor(parts: StorageWatchParts) {
    this.#parts = parts
  }

  get unwritable(): Error | undefined {
    return this.#parts.store.unwritable
  }

  async isFull(): Promise<boolean> {
    return (await freeBytes(this.#parts.directories.journal)) < JOURNAL_RESERVE_BYTES
  }

  async facts(): Promise<StorageFacts> {
    const { store, directories, warnBelowBytes } = this.#parts
    const [journal, blobs] = await Promise.all([freeBytes(directories.journal), freeBytes(directories.blobs)])
    const isFull = journal < JOURNAL_RESERVE_BYTES
    const free = Math.min(journal, blobs)
    const at = journal <= blobs ? directories.journal : directories.blobs
    const left = `${Math.floor(free / MIB)} MiB are left on the disk of ${at}`
    const notices: string[] = []
    if (store.damage) notices.push(store.damage.message)
    if (store.unwritable) notices.push('nothing can be recorded at this node because of that; pulls go on')
    if (isFull) notices.push(`the disk is full, nothing can be recorded (${left}): make room; pulls go on`)
    else if (free < warnBelowBytes) notices.push(`${left}: make room, or pushes will be refused`)
    return {
      damage: store.damage?.message ?? null,
      writable: !isFull && store.unwritable === undefined,
      freeBytes: free,
      notices,
    }
  }
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
