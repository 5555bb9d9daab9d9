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
    fill: () => {
      const { bavail, bsize } = statfsSync(directory)
      try {
        writeFileSync(filler, Buffer.alloc(bavail * bsize))
      } catch (error) {
        // Whoever is under test writes, too, and may take the last blocks first: full is full.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    free: () => rmSync(filler),
  }
}
