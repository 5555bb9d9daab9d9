import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []
/** Registered when a test file imports this, so before its own hooks: it runs after them. */
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A folder of the test's own; it goes when the file's tests have been through. */
export function temporaryFolder(subject: string): string {
  const folder = mkdtempSync(join(tmpdir(), `flotilla-${subject}-`))
  made.push(folder)
  return folder
}
