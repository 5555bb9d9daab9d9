import { decode } from '../../src/journal/cbor-decode.ts'
import { encode } from '../../src/journal/cbor-encode.ts'
import type { KeyRange, Write } from '../../src/journal/key-value.ts'
import type { FeedId, Lane } from '../../src/journal/op.ts'

/**
 * The ledger's rows, beside the journal's own (`feed/`, `t/`, `state-hash`). A feed id is `<lane>@<node>`.
 *
 *   log/<feed>/<seq, 16 digits>   [hash, depth, the block as its author signed it]
 *   hash/<feed>/<hash>            the seq of that block: what OrbitDB calls the index
 *   head/<feed>                   OrbitDB's heads: [{hash, next}], one in a single-writer log
 *   fork/<feed>                   proof that the author signed two entries of one seq
 *   floor/<lane>                  how much of the lane's log is gone, and what stands for it
 *   installing/<lane>             a snapshot is taking the lane's place: what is there is not whole
 *   aside/<feed>/<seq>            a block the snapshot lacks, to be applied again behind it
 */
export interface StoredBlock {
  readonly hash: string
  readonly depth: number
  readonly bytes: Uint8Array
}

const SEQ_DIGITS = 16
export const FORKS = { gte: 'fork/', lt: 'fork0' }
export const FLOORS = { gte: 'floor/', lt: 'floor0' }
export const INSTALLING = { gte: 'installing/', lt: 'installing0' }

export function blockKey(feed: FeedId, seq: number): string {
  return `log/${feed}/${String(seq).padStart(SEQ_DIGITS, '0')}`
}

export function seqOfBlockKey(key: string): number {
  return Number(key.slice(-SEQ_DIGITS))
}

export function indexKey(feed: FeedId, hash: string): string {
  return `hash/${feed}/${hash}`
}

export function headKey(feed: FeedId): string {
  return `head/${feed}`
}

export function floorKey(lane: Lane): string {
  return `floor/${lane}`
}

export function installingKey(lane: Lane): string {
  return `installing/${lane}`
}

export function asideKey(feed: FeedId, seq: number): string {
  return `aside/${feed}/${String(seq).padStart(SEQ_DIGITS, '0')}`
}

/** All rows of one kind (`log`, `hash`, `head`, `feed`, `aside`) of a lane's feeds. */
export function ofLane(kind: 'log' | 'hash' | 'head' | 'feed' | 'aside', lane: Lane): KeyRange {
  // A feed's name goes on with `@`, which no lane has in it.
  return { gte: `${kind}/${lane}@`, lt: `${kind}/${lane}A` }
}

export function forkKey(feed: FeedId): string {
  return `fork/${feed}`
}

export function encodeBlock({ hash, depth, bytes }: StoredBlock): Uint8Array {
  return encode([hash, depth, bytes])
}

/** @returns undefined where the row is not of that form any more */
export function tryDecodeBlock(row: Uint8Array): StoredBlock | undefined {
  try {
    const block = decodeBlock(row)
    const isForm =
      typeof block.hash === 'string' && Number.isSafeInteger(block.depth) && block.bytes instanceof Uint8Array
    return isForm ? block : undefined
  } catch {
    return undefined
  }
}

export function decodeBlock(row: Uint8Array): StoredBlock {
  const [hash, depth, bytes] = decode(row) as [string, number, Uint8Array]
  return { hash, depth, bytes }
}

/** The bytes OrbitDB keeps as its heads once that block is the newest. */
export function encodeHeads(hash: string, next: readonly string[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([{ hash, next }]))
}

export function decodeHead(row: Uint8Array): string {
  const [head] = JSON.parse(new TextDecoder().decode(row)) as [{ hash: string }]
  return head.hash
}

/** The rows of a block, but for the head. */
export function blockRows(feed: FeedId, seq: number, block: StoredBlock): Write[] {
  return [
    { type: 'put', key: blockKey(feed, seq), value: encodeBlock(block) },
    { type: 'put', key: indexKey(feed, block.hash), value: encode(seq) },
  ]
}

/** The rows of one more block at the end of a feed. */
export function blockWrites(feed: FeedId, seq: number, block: StoredBlock, heads: Uint8Array): Write[] {
  return [...blockRows(feed, seq, block), { type: 'put', key: headKey(feed), value: heads }]
}
