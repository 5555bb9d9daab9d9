import { decode } from 'cborg'
import type { Block } from '../../cluster/ledger/block-format.ts'
import { blockKey, decodeBlock, floorKey } from '../../cluster/ledger/layout.ts'
import type { Floor } from '../../cluster/ledger/snapshots/floors.ts'
import { type Entry, type FeedId, type Lane, parseFeedId } from '../../src/journal/op.ts'
import type { SimNode } from './node.ts'
import type { Keys } from './signatures.ts'

/** What nodes hold of each feed, and what they have let go of: every block was read once when it was signed. */
export class NodeLogs {
  readonly #keys: Keys

  constructor(keys: Keys) {
    this.#keys = keys
  }

  /** The entries of a feed up to one the node holds, the newest first: also what it has let go of by now. */
  *chain(node: SimNode, feed: FeedId, seq: number): Generator<Block> {
    let hash = hashStored(node, feed, seq)
    while (hash !== undefined) {
      const block = this.#keys.read.get(hash)
      if (!block) return
      yield block
      hash = block.next
    }
  }

  /** Hash of the entry a node holds there, or has let go of behind a snapshot. */
  hashHeld(node: SimNode, feed: FeedId, seq: number): string | undefined {
    const stored = hashStored(node, feed, seq)
    const floor = floorOf(node, feed)
    if (stored !== undefined || floor === undefined || seq >= floor) return stored
    for (const { entry, hash } of this.chain(node, feed, floor)) if (entry.seq === seq) return hash
    return undefined
  }

  /** All a node holds or has let go of. */
  entriesOf(node: SimNode): Entry[] {
    const frontier = Object.entries(node.journal?.frontier() ?? {})
    return frontier.flatMap(([feed, seq]) => [...this.chain(node, feed, seq)].map(({ entry }) => entry))
  }
}

/** Says so without taking the whole row apart: it begins with the hash, a text of 43 bytes. */
export function hashStored(node: SimNode, feed: FeedId, seq: number): string | undefined {
  const row = node.disk.rows.get(blockKey(feed, seq))
  if (!row) return undefined
  if (row[0] !== 0x83 || row[1] !== 0x78 || row[2] !== 43) return decodeBlock(row).hash
  return Buffer.from(row.buffer, row.byteOffset + 3, 43).toString('latin1')
}

/** Where the feed's log begins at that node; undefined where nothing of its lane has been let go of. */
export function floorOf({ journal }: SimNode, feed: FeedId): number | undefined {
  return journal?.lanes.floor(parseFeedId(feed).lane)?.frontier[feed]
}

/** The lane's floor as the node's disk has it, whether it runs or not. */
export function floorStored(node: SimNode, lane: Lane): Floor | undefined {
  const row = node.disk.rows.get(floorKey(lane))
  return row && (decode(row) as Floor)
}
