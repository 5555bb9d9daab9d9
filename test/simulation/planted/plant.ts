import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlantedBug } from './faults.ts'

const ROOMS = ['src', 'cluster', 'test/simulation', 'package.json']

/** A copy of the sources with the mistake in it. */
export interface Copy {
  readonly directory: string
  remove(): void
}

/** @throws Error when the place to change is not there exactly once: the sources moved, and the edit must follow */
export function plant(root: string, { name, edits }: PlantedBug): Copy {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-planted-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    for (const room of ROOMS) cpSync(join(root, room), join(directory, room), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
    for (const { file, find, replace } of edits) {
      const path = join(directory, file)
      const text = readFileSync(path, 'utf8')
      const times = text.split(find).length - 1
      if (times !== 1) throw new Error(`"${name}": ${file} has ${times} times: ${find}`)
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
