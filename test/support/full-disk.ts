import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A file system of its own in memory, gone with the test. @returns undefined for want of the right to mount one */
export function fullDisk(size = '8m'): { directory: string; fill(): void; free(): void } | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-full-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    process.stderr.write('SKIPPED for want of the right to mount a tmpfs\n')
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', [directory]))
  const filler = join(directory, 'filler')
  return {
    directory,
    fill: () => fillUp(directory),
    free: () => rmSync(filler),
  }
}

/** Leaves `left` bytes free on the disk mounted there: the rest goes into its file `filler`. */
export function fillUp(mount: string, left = 0): void {
  const { bavail, bsize } = statfsSync(mount)
  try {
    writeFileSync(join(mount, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - left)))
  } catch (error) {
    // Whoever is under test writes, too, and may take the last blocks first: full is full.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
