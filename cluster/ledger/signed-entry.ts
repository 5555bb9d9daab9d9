import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { decode } from '../../src/journal/cbor-decode.ts'
import { encode } from '../../src/journal/cbor-encode.ts'
import { decodeEntry } from '../../src/journal/entry.ts'
import { feedOf } from '../../src/journal/op.ts'
import { ENTRY_BYTES_MAX } from '../../src/limits.ts'
import { BLOCK_BYTES_MAX } from '../limits.ts'
import type { Block } from './block-format.ts'
import { blockHash } from './block-hash.ts'
import { publicKeyOf, verifierOf } from './orbit-identity.ts'
import { logId } from './orbit-log.ts'

/** OrbitDB's block, and no field more: what is not signed or pinned by what is has no room in it. */
const blockSchema = z.strictObject({
  id: z.string(),
  payload: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= ENTRY_BYTES_MAX),
  next: z.array(z.string().regex(/^z[1-9A-HJ-NP-Za-km-z]{40,80}$/)).max(1),
  refs: z.array(z.never()),
  clock: z.strictObject({ id: z.string(), time: z.number().int() }),
  v: z.literal(2),
  key: z.string(),
  identity: z.string(),
  sig: z.string(),
})

/**
 * `BlockFormat.read` for OrbitDB's blocks. Its own `Entry` encodes and hashes each block three times over to decode and
 * verify it; what it takes is taken here, and nothing else.
 * @throws Fault BLOCK_INVALID, ENTRY_INVALID, AUTHOR_INVALID, ENTRY_FOREIGN, ENTRY_FORGED
 */
export async function readBlock(bytes: Uint8Array, cluster: string): Promise<Block> {
  if (bytes.length > BLOCK_BYTES_MAX) {
    throw new Fault('BLOCK_INVALID', 'the block is larger than the bound', { bytes: bytes.length })
  }
  const block = decodeBlock(bytes)
  const entry = decodeEntry(block.payload)
  const feed = feedOf(entry)
  const key = publicKeyOf(entry.author)
  const facts = { feed, seq: entry.seq }
  if (entry.cluster !== cluster || block.id !== logId(cluster, feed)) {
    throw new Fault('ENTRY_FOREIGN', 'the entry belongs to another cluster or log', facts)
  }
  if (block.key !== key || block.identity !== entry.author || block.clock.id !== key) {
    throw new Fault('ENTRY_FORGED', 'the entry is not in its author’s own name', facts)
  }
  if (block.clock.time !== entry.seq || block.next.length !== (entry.seq === 1 ? 0 : 1)) {
    throw new Fault('BLOCK_INVALID', 'the block’s place in the log is not the entry’s', facts)
  }
  return {
    entry,
    feed,
    hash: blockHash(bytes),
    next: block.next[0],
    bytes,
    async verify() {
      const { key, identity: _, sig, ...signed } = block
      if (await verifierOf(entry.author).verify(sig, key, encode(signed))) return
      throw new Fault('ENTRY_FORGED', 'the entry’s author did not sign it', facts)
    },
  }
}

function decodeBlock(bytes: Uint8Array): z.infer<typeof blockSchema> {
  try {
    const block = blockSchema.parse(decode(bytes))
    // One block has one form and so one hash: whoever relays it must not be able to make it look like two.
    if (Buffer.compare(encode(block), bytes) === 0) return block
  } catch (error) {
    throw new Fault('BLOCK_INVALID', 'the bytes are no block of a log', { bytes: bytes.length }, error)
  }
  throw new Fault('BLOCK_INVALID', 'the block is not in canonical form', { bytes: bytes.length })
}
