import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from './state.ts'

const LSOF_MS_MAX = 5_000

/** Whether the process still runs; one that has ended and waits for its parent does not. */
export function runs(pid: number): boolean {
  return isAlive(pid) && commandLine(pid) !== ''
}

/** The words a process was started with; undefined where this system does not tell. */
export function commandLine(pid: number): string | undefined {
  if (!existsSync('/proc/self/cmdline')) return undefined
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** The process that has the journal of a data directory open, whoever started it; undefined: none is seen. */
export function ownerOf(dataDir: string): number | undefined {
  const file = join(dataDir, 'journal/LOCK')
  if (!existsSync(file)) return undefined
  const lock = realpathSync(file)
  return existsSync('/proc/self/fd') ? holderInProc(lock) : holderByLsof(lock)
}

function holderInProc(file: string): number | undefined {
  return readdirSync('/proc')
    .map(Number)
    .find((pid) => pid > 0 && openFiles(pid).includes(file))
}

/** Processes of other users keep theirs to themselves; others end while they are looked at. */
function openFiles(pid: number): string[] {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).map((entry) => target(join(folder, entry)))
  } catch {
    return []
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}

function holderByLsof(file: string): number | undefined {
  try {
    const said = execFileSync('lsof', ['-t', '--', file], { encoding: 'utf8', timeout: LSOF_MS_MAX })
    return Number.parseInt(said, 10) || undefined
  } catch {
    return undefined
  }
}
