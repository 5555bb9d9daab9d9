import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Everything a run makes outside itself bears the id of the process that made it, so that it can be removed by
 * name: at the end, when a run is interrupted, and by the next run when one was killed.
 */
export const FOLDER = 'flotilla-chaos-'
const NAMESPACE = /^fch-(\d+)-/
const OWN_FOLDER = new RegExp(`^${FOLDER}(\\d+)-`)
const ALIAS = /alias fch-(\d+)/

export function namespaceName(slot: number, node: number): string {
  return `fch-${process.pid}-${slot}-${node}`
}

export function bridgeAlias(): string {
  return `fch-${process.pid}`
}

function output(command: string, words: readonly string[]): string {
  try {
    return execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Removes what processes that are no more have left behind. */
export function removeLeftovers(): void {
  remove((pid) => !isAlive(pid))
}

/** Removes all this process has made; synchronous, so that it can run at exit. */
export function removeOwn(): void {
  remove((pid) => pid === process.pid)
}

/** With the lines that hang on it: those of a namespace that is gone go only some time later. */
function removeBridge(bridge: string): void {
  const slot = bridge.slice('fcb'.length)
  const lines = output('ip', ['-o', 'link', 'show']).matchAll(new RegExp(`\\b(fc[dm]${slot}n\\d+)@`, 'g'))
  for (const [, line] of lines) output('ip', ['link', 'delete', line as string])
  output('ip', ['link', 'delete', bridge])
}

function remove(mine: (pid: number) => boolean): void {
  for (const line of output('ip', ['netns', 'list']).split('\n')) {
    const [name = ''] = line.split(' ')
    const maker = NAMESPACE.exec(name)?.[1]
    if (maker === undefined || !mine(Number(maker))) continue
    const pids = output('ip', ['netns', 'pids', name]).split('\n').filter(Boolean)
    if (pids.length > 0) output('kill', ['-9', ...pids])
    output('ip', ['netns', 'delete', name])
  }
  for (const line of output('ip', ['-o', 'link', 'show', 'type', 'bridge']).split('\n')) {
    const maker = ALIAS.exec(line)?.[1]
    const name = /^\d+: ([^:@]+)/.exec(line)?.[1]
    if (maker !== undefined && name !== undefined && mine(Number(maker))) removeBridge(name)
  }
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const place = line.split(' ')[1] ?? ''
    const maker = new RegExp(`/${FOLDER}(\\d+)-`).exec(place)?.[1]
    if (maker !== undefined && mine(Number(maker))) output('umount', ['-l', place])
  }
  for (const name of readdirSync(tmpdir())) {
    const maker = OWN_FOLDER.exec(name)?.[1]
    if (maker !== undefined && mine(Number(maker)))
      rmSync(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 5 })
  }
}
