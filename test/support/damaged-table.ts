import { closeSync, cpSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
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
 * The byte of a closed store, found on a copy, that makes LevelDB say so when it turns in an open one and `key` is
 * read, while the rows of `unhurt` can be read still. Most other bytes give changed rows without a word.
 */
export async function tellingSpot(
  directory: string,
  key: string,
  unhurt: readonly string[] = [],
): Promise<Spot> {
  const copy = `${directory}.copy`
  cpSync(directory, copy, { recursive: true })
  // What was read once must not be remembered while one byte after the other is tried.
  const level = new ClassicLevel<string, Uint8Array>(copy, { valueEncoding: 'view', cacheSize: 0 })
  await level.open()
  try {
    // What a store reads as it is opened is not read again.
    const others = [...unhurt, ...(await level.keys({ gte: 'batch/', lt: 'batch0' }).all())]
    for (const table of tablesOf(directory).toReversed()) {
      const { size } = statSync(table)
      for (let tried = 0; tried < size; tried += STEP) {
        const at = ((size >> 1) + tried) % size
        const tryAt = { table: table.replace(directory, copy), at }
        flip(tryAt)
        const found = fails(level, key) && !others.some((other) => fails(level, other))
        flip(tryAt)
        if (found) return { table, at }
      }
    }
  } finally {
    await level.close()
    rmSync(copy, { recursive: true })
  }
  throw new Error(`no byte makes ${key} unreadable`)
}

/** Blocks are longer than this, also where they are compressed. */
const STEP = 61

function fails(level: ClassicLevel<string, Uint8Array>, key: string): boolean {
  try {
    level.getSync(key)
    return false
  } catch {
    return true
  }
}
