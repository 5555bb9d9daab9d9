import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Fault } from '../errors.ts'
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import type { BlobSource } from './blob-source.ts'
import type { BlobStore, ByteRange } from './blob-store.ts'

/** Most manifests and configs; from here a read of its own costs less than the memory. */
const CACHED_BLOB_BYTES_MAX = 64 * 1024
/** All of them together. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024

/** A blob that is being served. The caller closes it, whatever happened. */
export interface PulledBlob {
  readonly size: number
  /** The whole of it, where it is in memory anyway. */
  readonly bytes?: Uint8Array
  /** A chunk is valid until the next one is asked for. */
  stream(range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/**
 * Bytes by digest, wherever they are: in memory, on this node's disk, at another node. Knows nothing of
 * who may read them.
 */
export class Content {
  readonly #store: BlobStore
  readonly #source: BlobSource
  /** By digest, so nothing in it can ever be out of date. */
  readonly #small = new LRUCache<Digest, Uint8Array>({
    maxSize: CACHE_BYTES_MAX,
    sizeCalculation: (bytes) => bytes.length + 200,
  })

  constructor(parts: { readonly store: BlobStore; readonly source: BlobSource }) {
    this.#store = parts.store
    this.#source = parts.source
  }

  /**
   * @throws Fault BLOB_UNAVAILABLE when no reachable node holds the bytes
   */
  async open(digest: Digest, signal?: AbortSignal): Promise<PulledBlob> {
    const cached = this.#small.get(digest)
    if (cached) return inMemory(cached)
    const local = await this.#store.open(digest)
    if (local && local.size > CACHED_BLOB_BYTES_MAX) return local
    if (local) {
      try {
        return inMemory(await this.#admit(digest, local.size, local.stream(undefined, signal)))
      } finally {
        await local.close()
      }
    }
    const incoming = await this.#source.fetch(digest, signal)
    if (!incoming) {
      throw new Fault('BLOB_UNAVAILABLE', 'no node that holds the bytes can be reached', { digest })
    }
    // Whoever reads it hears of a failure from the stream.
    incoming.committed.catch(() => {})
    return {
      size: incoming.size,
      stream: (range, abort) => incoming.stream(range, abort),
      close: async () => {},
    }
  }

  /**
   * The whole of a small blob, such as a manifest.
   * @throws Fault BLOB_UNAVAILABLE when no reachable node holds the bytes, SIZE_INVALID above `bytesMax`
   */
  async bytes(digest: Digest, bytesMax: number, signal?: AbortSignal): Promise<Uint8Array> {
    const cached = this.#small.get(digest)
    if (cached) return cached
    const blob = await this.open(digest, signal)
    try {
      if (blob.size > bytesMax) {
        throw new Fault('SIZE_INVALID', 'the blob is larger than it may be', { digest, size: blob.size })
      }
      return await this.#admit(digest, blob.size, blob.stream(undefined, signal))
    } finally {
      await blob.close()
    }
  }

  async isHere(digest: Digest): Promise<boolean> {
    return this.#small.has(digest) || (await this.#store.stat(digest)) !== undefined
  }

  /** Stores bytes whose digest the caller has computed; durable when it resolves. */
  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (!(await this.#store.stat(digest))) {
      const staged = await this.#store.stage()
      try {
        await staged.write(bytes, 0)
        await staged.commit(digest)
      } catch (error) {
        await staged.discard()
        throw error
      }
    }
    this.#remember(digest, bytes)
  }

  /** This node holds the blob: the others may be told. */
  announce(digest: Digest, size: number): void {
    this.#source.announce(digest, size)
  }

  /** What memory serves a thousand times over is worth being proven once. */
  async #admit(digest: Digest, size: number, stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(size)
    let filled = 0
    for await (const chunk of stream) {
      bytes.set(chunk, filled)
      filled += chunk.length
    }
    if (filled !== size || hash(algorithmOf(digest), bytes, 'hex') !== hexOf(digest)) {
      throw new Fault('BLOB_CORRUPT', 'the stored bytes no longer give their digest', { digest })
    }
    this.#remember(digest, bytes)
    return bytes
  }

  #remember(digest: Digest, bytes: Uint8Array): void {
    if (bytes.length <= CACHED_BLOB_BYTES_MAX) this.#small.set(digest, bytes)
  }
}

function inMemory(bytes: Uint8Array): PulledBlob {
  return {
    size: bytes.length,
    bytes,
    async *stream(range) {
      const part = range ? bytes.subarray(range.first, range.last + 1) : bytes
      if (part.length > 0) yield part
    },
    close: async () => {},
  }
}
