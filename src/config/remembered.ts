import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurable } from '../runtime/durable-file.ts'
import type { Config } from './config.ts'

/** In the data directory: what `init` and `join` were told, so that `serve` need not be told again. */
const FILE = 'node.json'

/** Keeps the name and site a node was made with. */
export async function remember({ dataDir, node }: Pick<Config, 'dataDir' | 'node'>): Promise<void> {
  const { name, site } = node
  await writeDurable(join(dataDir, FILE), `${JSON.stringify({ name, site })}\n`, 0o600)
}

/** What of it stands in the data directory; a fresh directory, or a damaged file, has nothing to say. */
export function recall(dataDir: string): {
  file: string
  values: Partial<Record<'node.name' | 'node.site', string>>
} {
  const file = join(dataDir, FILE)
  try {
    const { name, site } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; site?: string }
    return {
      file,
      values: {
        ...(name !== undefined && { 'node.name': name }),
        ...(site !== undefined && { 'node.site': site }),
      },
    }
  } catch {
    return { file, values: {} }
  }
}
