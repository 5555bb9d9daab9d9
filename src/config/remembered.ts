import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../errors.ts'
import { writeDurable } from '../runtime/durable-file.ts'
import type { Config } from './config.ts'

/** In the data directory: what `init` and `join` were told, so that `serve` need not be told again. */
const FILE = 'node.json'

/** Keeps the name and site a node was made with. */
export async function remember({ dataDir, node }: Pick<Config, 'dataDir' | 'node'>): Promise<void> {
  const { name, site } = node
  await writeDurable(join(dataDir, FILE), `${JSON.stringify({ name, site })}\n`, 0o600)
}

/**
 * What of it stands in the data directory; a fresh directory has nothing to say.
 * @throws Fault NODE_NOTE_DAMAGED: a node that went on without it would tell everybody another name and site
 */
export function recall(dataDir: string): {
  file: string
  values: Partial<Record<'node.name' | 'node.site', string>>
} {
  const file = join(dataDir, FILE)
  const text = readNote(file)
  if (text === undefined) return { file, values: {} }
  const { name, site } = parseNote(file, text)
  return { file, values: { 'node.name': name, 'node.site': site } }
}

function readNote(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    // Who may not look into the directory is told so by whatever they wanted of it.
    if (code === 'EACCES') return undefined
    throw damaged(file, `it cannot be read (${code})`, error)
  }
}

function parseNote(file: string, text: string): { name: string; site: string } {
  let note: unknown
  try {
    note = JSON.parse(text)
  } catch (error) {
    throw damaged(file, text === '' ? 'it is empty' : 'it is not JSON', error)
  }
  const { name, site } = Object(note) as { name?: unknown; site?: unknown }
  if (typeof name !== 'string' || typeof site !== 'string')
    throw damaged(file, 'it does not hold the name and the site of the node')
  return { name, site }
}

function damaged(file: string, what: string, cause?: unknown): Fault {
  const advice =
    'write {"name":"…","site":"…"} into it with what `flotilla nodes` at another member shows, ' +
    'or restore it from a backup'
  return new Fault('NODE_NOTE_DAMAGED', `${file} is damaged: ${what}`, { file, advice }, cause)
}
