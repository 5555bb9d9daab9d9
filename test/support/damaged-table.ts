import { closeSync, cpSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isFault } from '../../src/errors.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'

export interface Spot {
  readonly table: string
  readonly at: number
}

/** LevelDB's tables, oldest first. */
function tablesOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.ldb'))
    .toSorted()
    .map((name) => join(directory, name))
}

/** Turns all bits of one byte where it stands, as a disk does: who has the file open sees it. */
export function flip({ table, at }: Spot): void {
  const file = openSync(table, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  byte.writeUInt8(byte.readUInt8(0) ^ 0xff)
  writeSync(file, byte, 0, 1, at)
  closeSync(file)
}

/** Opens and closes, by which all that LevelDB's log holds becomes a table. */
export async function settleInTables(directory: string): Promise<void> {
  await (await LevelStore.open(directory)).close()
}

/**
 * The byte of a closed store, found on copies, that makes LevelDB say so when it turns in an open one and `key` is
 * read, while the rows of `unhurt` can be read still. Most other bytes give changed rows without a word.
 */
export async function tellingSpot(
  directory: string,
  key: string,
  unhurt: readonly string[] = [],
): Promise<Spot> {
  const copy = `${directory}.copy`
  for (const table of tablesOf(directory).toReversed()) {
    const { size } = statSync(table)
    for (let tried = 0; tried < size; tried += STEP) {
      const at = ((size >> 1) + tried) % size
      cpSync(directory, copy, { recursive: true })
      const store = await LevelStore.open(copy)
      flip({ table: table.replace(directory, copy), at })
      const found = fails(store, key) && !unhurt.some((other) => fails(store, other))
      await store.close()
      rmSync(copy, { recursive: true })
      if (found) return { table, at }
    }
  }
  throw new Error(`no byte makes ${key} unreadable`)
}

/** Blocks are longer than this, also where they are compressed. */
const STEP = 61

function fails(store: LevelStore, key: string): boolean {
  try {
    store.get(key)
    return false
  } catch (error) {
    return isFault(error, 'STORE_DAMAGED')
  }
}
