import { hash } from 'node:crypto'
import { decode, encode } from 'cborg'
import type { Block, BlockFormat } from '../../cluster/ledger/block-format.ts'
import { blockWrites, decodeHead, encodeHeads, headKey } from '../../cluster/ledger/layout.ts'
import { BLOCK_BYTES_MAX } from '../../cluster/limits.ts'
import { Fault } from '../../src/errors.ts'
import { decodeEntry, encodeEntry } from '../../src/journal/entry.ts'
import { type Entry, feedOf } from '../../src/journal/op.ts'
import type { SeededRandom } from './world/random.ts'

/** A block of the simulation: an entry, the block before it, and who says so. */
interface SimBlock {
  readonly entry: Uint8Array
  readonly next: string | null
  readonly sig: Uint8Array
}

/**
 * Every node's secret key. Signatures are keyed hashes: made in the same turn, and only by who holds the key,
 * as real ones. That everybody could look keys up here is used for checking alone.
 */
export class Keys {
  readonly #keys = new Map<string, Uint8Array>()
  /** Blocks by hash: each is taken apart once, not at every node. */
  readonly read = new Map<string, Block>()
  readonly #random: SeededRandom

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** A new node: its id says nothing of its key. */
  create(): string {
    const id = `sim${hash('sha256', this.#random.bytes(16), 'hex').slice(0, 24)}`
    this.#keys.set(id, this.#random.bytes(32))
    return id
  }

  sign(signer: string, entry: Uint8Array, next: string | null): Uint8Array {
    const key = this.#keys.get(signer)
    if (!key) throw new Fault('AUTHOR_INVALID', 'the author has no key', { author: signer })
    return hash('sha256', Buffer.concat([key, Buffer.from(next ?? '-'), entry]), 'buffer')
  }

  isSigned(author: string, block: SimBlock): boolean {
    return Buffer.compare(this.sign(author, block.entry, block.next), block.sig) === 0
  }

  has(id: string): boolean {
    return this.#keys.has(id)
  }
}

/** A block as `signer` makes it, whoever the entry calls its author. */
export function signBlock(keys: Keys, signer: string, entry: Entry, next: string | undefined): Uint8Array {
  return signPayload(keys, signer, encodeEntry(entry), next)
}

function signPayload(keys: Keys, signer: string, payload: Uint8Array, next: string | undefined): Uint8Array {
  const before = next ?? null
  return encode({ entry: payload, next: before, sig: keys.sign(signer, payload, before) } satisfies SimBlock)
}

export function hashOf(block: Uint8Array): string {
  return hash('sha256', block, 'base64url')
}

/** The simulation's form of blocks: everything in the same turn, no thread pool. */
export function simFormat(keys: Keys, node: string): BlockFormat {
  return {
    ownLog: ({ store, onAppended }) => ({
      async append(entry, payload, writes) {
        const feed = feedOf(entry)
        const head = store.get(headKey(feed))
        const next = head && decodeHead(head)
        const bytes = signPayload(keys, node, payload, next)
        const stored = { hash: hashOf(bytes), depth: entry.depth, bytes }
        const heads = encodeHeads(stored.hash, next === undefined ? [] : [next])
        await store.write([...blockWrites(feed, entry.seq, stored, heads), ...writes])
        onAppended(bytes)
      },
    }),
    read: async (bytes, cluster) => readSimBlock(keys, bytes, cluster),
    hashOf,
    nextOf: (block) => decodeBlock(block).next ?? undefined,
    entryOf: (block) => decodeEntry(decodeBlock(block).entry),
  }
}

/** @throws Fault BLOCK_INVALID, ENTRY_INVALID, AUTHOR_INVALID, ENTRY_FOREIGN */
export function readSimBlock(keys: Keys, bytes: Uint8Array, cluster: string): Block {
  const hash = hashOf(bytes)
  const known = keys.read.get(hash)
  if (known) return known
  const read = parseSimBlock(keys, bytes, cluster)
  keys.read.set(hash, read)
  return read
}

function parseSimBlock(keys: Keys, bytes: Uint8Array, cluster: string): Block {
  const block = decodeBlock(bytes)
  const entry = decodeEntry(block.entry)
  const feed = feedOf(entry)
  const facts = { feed, seq: entry.seq }
  if (!keys.has(entry.author)) throw new Fault('AUTHOR_INVALID', 'the author has no key', facts)
  if (entry.cluster !== cluster)
    throw new Fault('ENTRY_FOREIGN', 'the entry belongs to another cluster', facts)
  if ((block.next === null) !== (entry.seq === 1)) {
    throw new Fault('BLOCK_INVALID', 'the block’s place in the log is not the entry’s', facts)
  }
  return {
    entry,
    feed,
    hash: hashOf(bytes),
    next: block.next ?? undefined,
    bytes,
    async verify() {
      if (keys.isSigned(entry.author, block)) return
      throw new Fault('ENTRY_FORGED', 'the entry’s author did not sign it', facts)
    },
  }
}

function decodeBlock(bytes: Uint8Array): SimBlock {
  if (bytes.length > BLOCK_BYTES_MAX) {
    throw new Fault('BLOCK_INVALID', 'the block is larger than the bound', { bytes: bytes.length })
  }
  try {
    const block = decode(bytes, { rejectDuplicateMapKeys: true }) as SimBlock
    const { entry, next, sig, ...rest } = block
    const isForm = entry instanceof Uint8Array && sig instanceof Uint8Array && Object.keys(rest).length === 0
    if (isForm && (next === null || typeof next === 'string') && Buffer.compare(encode(block), bytes) === 0) {
      return block
    }
  } catch (error) {
    throw new Fault('BLOCK_INVALID', 'the bytes are no block', { bytes: bytes.length }, error)
  }
  throw new Fault('BLOCK_INVALID', 'the block is not in canonical form', { bytes: bytes.length })
}
