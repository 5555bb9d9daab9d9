import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlantedBug } from './faults.ts'

const ROOMS = ['src', 'cluster', 'test/simulation', 'test/support/words.ts', 'package.json']

/** A copy of the sources with the mistake in it. */
export interface Copy {
  readonly directory: string
  remove(): void
}

/** Edits whose place is not in the sources exactly once: these moved, and the edit must follow. */
export function outOfDate(root: string, { name, edits }: PlantedBug): string[] {
  return edits.flatMap(({ file, find }) => {
    const path = join(root, file)
    const times = existsSync(path) ? readFileSync(path, 'utf8').split(find).length - 1 : 0
    return times === 1 ? [] : [`"${name}": ${file} has ${times} times: ${find}`]
  })
}

/** @throws Error when an edit is out of date */
export function plant(root: string, planted: PlantedBug): Copy {
  const [stale] = outOfDate(root, planted)
  if (stale !== undefined) throw new Error(stale)
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-planted-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    for (const room of ROOMS) cpSync(join(root, room), join(directory, room), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
    for (const { file, find, replace } of planted.edits) {
      const path = join(directory, file)
      const text = readFileSync(path, 'utf8')
      writeFileSync(
        path,
        text.replace(find, () => replace),
      )
    }
    return { directory, remove }
  } catch (error) {
    remove()
    throw error
  }
}
