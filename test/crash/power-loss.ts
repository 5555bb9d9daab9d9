import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { SeededRandom } from '../simulation/world/random.ts'
import { newestLog, type Unsynced } from './durability.ts'

/** Chance that everything is lost that may be; else the disk had written a part of it by itself. */
const ALL_LOST = 0.5

/**
 * Makes of what a killed process left what a disk has after its power failed there: names nobody synced are as they
 * were before, of bytes nobody synced a part is there, and behind it nothing, zeros, or what stood there.
 * @returns what was lost; nothing where every change was synced
 */
export async function losePower(root: string, unsynced: Unsynced, random: SeededRandom): Promise<string[]> {
  const { names, files, log } = unsynced
  const all = random.chance(ALL_LOST)
  const from = all ? 0 : random.integer(names.length + 1)
  const lost: string[] = []
  for (const { path, before } of names.slice(from).reverse()) {
    rmSync(path, { recursive: true, force: true })
    if (before !== null) renameSync(before, path)
    lost.push(`${path.slice(root.length + 1)} is as before`)
  }
  const covered = new Map(files.map((file) => [file.inode, file.covered]))
  for (const path of filesIn(root)) {
    const { ino, size } = statSync(path)
    const bytes = covered.get(ino)
    if (bytes !== undefined && bytes < size) lost.push(await tear(path, bytes, size, all, random))
  }
  const journal = join(root, 'journal')
  const newest = newestLog(journal)
  if (newest && log) {
    const bytes = log.file === newest.file ? log.bytes : 0
    if (bytes < newest.bytes)
      lost.push(await tear(join(journal, newest.file), bytes, newest.bytes, false, random))
  }
  return lost
}

async function tear(
  path: string,
  covered: number,
  size: number,
  all: boolean,
  random: SeededRandom,
): Promise<string> {
  const at = all ? covered : covered + random.integer(size - covered)
  const kind = (['cut', 'zeros', 'junk'] as const)[random.integer(3)]
  const file = await open(path, 'r+')
  try {
    if (kind === 'cut') await file.truncate(at)
    else {
      const rest = kind === 'junk' ? random.bytes(size - at) : new Uint8Array(size - at)
      await file.write(rest, 0, rest.length, at)
    }
  } finally {
    await file.close()
  }
  return `${kind} from byte ${at} of ${covered}-${size} of ${path.split('/').at(-1)}`
}

function filesIn(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
