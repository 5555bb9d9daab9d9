import { createHash } from 'node:crypto'
import { decode } from 'cborg'
import { blockKey, decodeBlock } from '../../../cluster/ledger/layout.ts'
import { isAdmin } from '../../../src/journal/effective.ts'
import type { FeedId } from '../../../src/journal/op.ts'
import type { UserRow } from '../../../src/journal/rows.ts'
import { type Keys, readSimBlock } from '../signatures.ts'
import type { SortedRows } from '../sorted-rows.ts'

const TABLES = { gte: 't/', lt: 't0' }
/** What a node keeps to decide with is its own business. */
const UNHASHED =
  /^t\/(history|stages|stageMembers|dependents|reviews|disputes|disputedFields|retracted|retractedTags)\//

/** The rows every node must agree on. */
export function tableRows(rows: SortedRows): [string, Uint8Array][] {
  return rows.range(TABLES).filter(([key]) => !UNHASHED.test(key))
}

/** The state hash worked out anew from every row on disk. */
export function stateHashOf(rows: SortedRows): string {
  let sum = 0n
  for (const [key, bytes] of tableRows(rows)) {
    const [, table, ...rest] = key.split('/')
    const hash = createHash('sha256')
      .update(`${table}\n${rest.join('/')}\n`)
      .update(bytes)
      .digest('hex')
    sum += BigInt(`0x${hash}`)
  }
  return (sum % (1n << 256n)).toString(16).padStart(64, '0')
}

/** The first table row two nodes do not share, for whoever looks for the reason. */
export function firstDifference(one: SortedRows, two: SortedRows): string | undefined {
  for (const [key, bytes] of [...tableRows(one), ...tableRows(two)]) {
    const [a, b] = [one.get(key), two.get(key)]
    if (a && b && Buffer.compare(a, b) === 0) continue
    const show = (row: Uint8Array | undefined) => (row ? JSON.stringify(decode(row)) : 'nothing')
    return `${key} ${bytes.length}: ${show(a)} against ${show(b)}`
  }
  return undefined
}

/** Where a node's logs begin and end. */
export interface Logs {
  readonly rows: SortedRows
  readonly frontier: Readonly<Record<FeedId, number>>
  /** The first entry of a feed that has to be there; 1 where nothing has been pruned. */
  readonly floor: (feed: FeedId) => number
}

/** Each feed's blocks are all there, each signed by its author and linked to the one before. */
export async function brokenChain(
  { rows, frontier, floor }: Logs,
  keys: Keys,
  cluster: string,
): Promise<string | undefined> {
  for (const [feed, length] of Object.entries(frontier)) {
    let before: string | undefined
    const first = floor(feed)
    for (let seq = first; seq <= length; seq++) {
      const row = rows.get(blockKey(feed, seq))
      if (!row) return `${feed}/${seq} of ${length} is missing`
      try {
        const block = readSimBlock(keys, decodeBlock(row).bytes, cluster)
        await block.verify()
        if (block.feed !== feed || block.entry.seq !== seq) return `${feed}/${seq} holds another block`
        if (block.next !== before && (seq === 1 || seq > first))
          return `${feed}/${seq} is not linked to the block before it`
        before = block.hash
      } catch (error) {
        return `${feed}/${seq} is unreadable: ${String(error)}`
      }
    }
  }
  return undefined
}

/** I12: somebody can always administer the cluster. */
export function administrators(rows: SortedRows): string[] {
  return rows
    .range({ gte: 't/users/', lt: 't/users0' })
    .map(([, bytes]) => decode(bytes) as UserRow)
    .filter(isAdmin)
    .map(({ name }) => name)
}
