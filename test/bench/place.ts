import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { mebibytes } from './figures.ts'

const root = join(import.meta.dirname, '../..')
/** On the file system of the working tree, not in /tmp, which may be memory. Git ignores it. */
const PLACE = join(root, '.flotilla/bench')

/** A new folder; gone when `use` has ended. */
export async function inScratch<T>(use: (directory: string) => Promise<T>): Promise<T> {
  mkdirSync(PLACE, { recursive: true })
  const directory = mkdtempSync(join(PLACE, 'run-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A folder that stays between runs. */
export function cached(name: string): string {
  return join(PLACE, 'cache', name)
}

export function bytesOnDisk(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0)
}

/** Where and when the figures were taken. */
export function circumstances(): string {
  const processors = cpus()
  return [
    `${processors.length} x ${processors[0]?.model.trim()}, ${mebibytes(totalmem())} memory`,
    `Linux ${release()}, Node ${process.versions.node}`,
    `${new Date().toISOString().slice(0, 10)}, ${revision()}`,
    `load ${loadavg()[0]?.toFixed(1)} before`,
  ].join('; ')
}

function revision(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  try {
    const changed = git('status', '--porcelain', 'src', 'cluster') === '' ? '' : ' with uncommitted changes'
    return `commit ${git('rev-parse', '--short', 'HEAD')}${changed}`
  } catch {
    return 'outside a git repository'
  }
}
