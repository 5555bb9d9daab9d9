import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** One number for all source text beneath these folders: a long run goes on only where nothing it is about changed. */
export function sourcesDigest(...folders: readonly string[]): string {
  const sum = createHash('sha256')
  for (const folder of folders) {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.ts')).sort()) {
      sum.update(`${folder}/${file}\n`).update(readFileSync(join(root, folder, file)))
    }
  }
  return sum.digest('hex').slice(0, 16)
}
