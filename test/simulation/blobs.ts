import { hash } from 'node:crypto'
import { Fault } from '../../src/errors.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import type { BlobSource, IncomingBlob } from '../../src/registry/blob-source.ts'
import type { BlobStore, ByteRange, OpenBlob, StagedBlob } from '../../src/registry/blob-store.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { SimNetwork } from './network/sim-network.ts'

/** Beside the node's records, so that faults of the disk, crashes and backups concern both. */
export const BLOBS = 'simulation/blob/'
const PROTOCOL = '/simulation/blob'

/** Snapshots at one node, and how it comes by others': asked of each neighbour, over the same faulty wire. */
export class SimBlobs implements BlobStore, BlobSource, Startable {
  readonly #store: KeyValue
  readonly #network: () => SimNetwork

  /** @param network made after the journal, which asks for blobs too */
  constructor(store: KeyValue, network: () => SimNetwork) {
    this.#store = store
    this.#network = network
  }

  async start(): Promise<void> {
    await this.#network().handle(PROTOCOL, async (channel) => {
      const asked = await channel.receive()
      if (typeof asked === 'string') await channel.send(this.#store.get(BLOBS + asked) ?? null)
    })
  }

  async stop(): Promise<void> {}

  async stat(digest: Digest): Promise<{ size: number } | undefined> {
    const bytes = this.#store.get(BLOBS + digest)
    return bytes && { size: bytes.length }
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    const bytes = this.#store.get(BLOBS + digest)
    return bytes && opened(bytes)
  }

  async stage(): Promise<StagedBlob> {
    let held = Buffer.alloc(0)
    return {
      write: async (bytes) => {
        held = Buffer.concat([held, bytes])
      },
      read: async (into, position) => held.copy(into, 0, position),
      settle: () => {},
      commit: async (digest) => {
        await this.#put(digest, held)
        return { size: held.length }
      },
      discard: async () => {
        held = Buffer.alloc(0)
      },
    }
  }

  async delete(digest: Digest): Promise<boolean> {
    const had = this.#store.get(BLOBS + digest) !== undefined
    if (had) await this.#store.write([{ type: 'del', key: BLOBS + digest }])
    return had
  }

  async *list(): AsyncGenerator<{ digest: Digest; size: number }> {
    for await (const [key, bytes] of this.#store.range({ gte: BLOBS, lt: `${BLOBS}~` }))
      yield { digest: parseDigest(key.slice(BLOBS.length)), size: bytes.length }
  }

  async fetch(digest: Digest, signal?: AbortSignal): Promise<IncomingBlob | undefined> {
    for (const peer of this.#network().connected()) {
      const bytes = await this.#ask(peer, digest, signal).catch(() => undefined)
      signal?.throwIfAborted()
      if (!bytes || digestOf(bytes) !== digest) continue
      await this.#put(digest, bytes)
      const stream = (range?: ByteRange) => opened(bytes).stream(range)
      return { size: bytes.length, stream, committed: Promise.resolve() }
    }
    return undefined
  }

  announce(): void {}

  async #ask(peer: string, digest: Digest, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const channel = await this.#network().open(peer, PROTOCOL, signal)
    await channel.send(digest)
    const answer = await channel.receive(signal)
    return answer instanceof Uint8Array ? answer : undefined
  }

  async #put(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (digestOf(bytes) !== digest) throw new Fault('DIGEST_INVALID', 'the bytes do not give the digest')
    await this.#store.write([{ type: 'put', key: BLOBS + digest, value: bytes }])
  }
}

export function digestOf(bytes: Uint8Array): Digest {
  return parseDigest(`sha256:${hash('sha256', bytes, 'hex')}`)
}

function opened(bytes: Uint8Array): OpenBlob {
  return {
    size: bytes.length,
    read: async (into, position) => Buffer.from(bytes).copy(into, 0, position),
    async *stream(range?: ByteRange) {
      yield range ? bytes.subarray(range.first, range.last + 1) : bytes
    },
    close: async () => {},
  }
}
