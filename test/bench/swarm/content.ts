import { createCipheriv, createHash } from 'node:crypto'
import { type Digest, parseDigest } from '../../../src/oci/digest.ts'
import type { BlobStore } from '../../../src/registry/blob-store.ts'

const CHUNK_BYTES = 2 ** 20

/** Bytes that do not compress and are the same wherever the same `seed` is given. */
export function* content(seed: string, size: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest()
  const stream = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16))
  for (let position = 0; position < size; position += CHUNK_BYTES)
    yield stream.update(Buffer.alloc(Math.min(CHUNK_BYTES, size - position)))
}

/** Puts them into the store as a push would. */
export async function hold(blobs: BlobStore, seed: string, size: number): Promise<Digest> {
  const hash = createHash('sha256')
  const staged = await blobs.stage()
  let position = 0
  for (const chunk of content(seed, size)) {
    hash.update(chunk)
    await staged.write(chunk, position)
    position += chunk.length
  }
  const digest = parseDigest(`sha256:${hash.digest('hex')}`)
  await staged.commit(digest)
  return digest
}
