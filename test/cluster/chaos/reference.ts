import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { decodeBlock } from '../../../cluster/ledger/layout.ts'
import { readBlock } from '../../../cluster/ledger/signed-entry.ts'
import type { Entry } from '../../../src/journal/op.ts'
import { LevelStore } from '../../../src/store/level/level-store.ts'
import type { ChaosNode } from './node.ts'

const BLOCKS = { gte: 'log/', lt: 'log0' }
const MODULE = join(import.meta.dirname, '../../simulation/reference/reference.ts')

/** The naive reducer of the simulation: the state hash of a set of entries, computed from scratch. */
interface Reference {
  referenceState(entries: readonly Entry[]): unknown
}

/** Undefined as long as there is none in the tree. */
export async function reference(): Promise<Reference | undefined> {
  if (!existsSync(MODULE)) return undefined
  return (await import(pathToFileURL(MODULE).href)) as Reference
}

/** The entries in a stopped node's journal, causes before effects. */
export async function entriesOf(dataDir: string, cluster: string): Promise<Entry[]> {
  const store = await LevelStore.open(join(dataDir, 'journal'))
  try {
    const entries: Entry[] = []
    for await (const [, row] of store.range(BLOCKS)) {
      entries.push((await readBlock(decodeBlock(row).bytes, cluster)).entry)
    }
    return entries.sort((a, b) => a.depth - b.depth || (a.author < b.author ? -1 : 1))
  } finally {
    await store.close()
  }
}

/** Stops the node for as long as it takes to read what it holds, and lets the reference reducer judge it. */
export async function compareWithReference(node: ChaosNode) {
  const judge = await reference()
  if (!judge) return undefined
  const { stateHash: expected, cluster } = await node.status()
  // Not asked to stop: it would write down what it has counted since, and the hash just read would be of fewer ops.
  await node.kill('SIGKILL')
  try {
    const state = judge.referenceState(await entriesOf(node.dataDir, cluster.id))
    return { node: node.name, hash: hashIn(state), expected }
  } finally {
    await node.start()
  }
}

function hashIn(state: unknown): string {
  if (typeof state === 'string') return state
  const { hash, stateHash } = state as { hash?: unknown; stateHash?: unknown }
  const found = hash ?? stateHash
  return String(typeof found === 'function' ? (found as () => unknown).call(state) : found)
}
