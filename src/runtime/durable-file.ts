import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from '../errors.ts'

/**
 * Writes a small file so that after a crash it holds the old bytes or the new ones: temporary file, fsync,
 * rename, fsync of the directory.
 * @param mode permission bits, such as 0o600
 * @throws Fault STORAGE_FULL; the old bytes stand then
 */
export async function writeDurable(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  try {
    await replace(path, data, mode)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
    throw new Fault('STORAGE_FULL', `the disk is full: ${path} cannot be written`, { path }, error)
  }
}

async function replace(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', mode)
  try {
    await file.writeFile(data)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Makes what was created, renamed or removed in `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
