import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What makes two runs the same run. */
export interface RunKey {
  /** Of all text that is run: a commit says nothing of what was changed since. */
  readonly sources: string
  readonly without: readonly string[] | undefined
  readonly from: number
  readonly nodes: number | undefined
  readonly events: number | undefined
}

const path = join(dirname(dirname(import.meta.dirname)), '.flotilla', 'simulation', 'state.json')

/** The first seed that has not been run yet, where an earlier run of the same kind was cut short. */
export function resumedFrom(key: RunKey): number {
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as { key: RunKey; next: number }
    return JSON.stringify(state.key) === JSON.stringify({ ...key }) ? state.next : key.from
  } catch {
    return key.from
  }
}

export function saveProgress(key: RunKey, next: number): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, JSON.stringify({ key, next }))
  renameSync(`${path}.new`, path)
}

export function forgetProgress(): void {
  rmSync(path, { force: true })
}
