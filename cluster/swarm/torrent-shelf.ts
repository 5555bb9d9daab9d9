import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { TORRENT_BYTES_MIN } from '../../src/limits.ts'
import { algorithmOf, type Digest, hexOf, isDigest, parseDigest } from '../../src/oci/digest.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { PieceSink } from '../../src/registry/piece-sink.ts'
import { writeDurable } from '../../src/runtime/durable-file.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import {
  BLOB_BYTES_MAX,
  HASHINGS_CONCURRENT_MAX,
  HASHINGS_WAITING_MAX,
  INFOHASHES_TOLD_MAX,
  TORRENTS_REMEMBERED_BYTES_MAX,
} from './limits.ts'
import { hashPieces, pieceLengthOf, type Torrent, torrentOf } from './torrent.ts'
import { abortable, Places } from './waiting.ts'

const INFOHASH_BYTES = 20

export interface TorrentShelfComponents {
  readonly blobs: BlobStore
  readonly logger: Logger
}

/**
 * The torrents of the blobs this node holds. One file a blob under `directory`:
 *
 *   sha256/ab/abcdef…   20 bytes infohash, then 20 bytes SHA-1 for each piece
 *
 * The files only save the hashing: one that is absent, torn or stale is made again from the blob.
 */
export class TorrentShelf implements PieceSink, Startable {
  readonly #blobs: BlobStore
  readonly #logger: Logger
  readonly #directory: string
  readonly #remembered = new LRUCache<Digest, Torrent>({
    maxSize: TORRENTS_REMEMBERED_BYTES_MAX,
    sizeCalculation: ({ pieces, info }) => pieces.length + info.length,
  })
  readonly #told = new LRUCache<string, Digest>({ max: INFOHASHES_TOLD_MAX })
  readonly #making = new Map<Digest, Promise<Torrent | undefined>>()
  readonly #places = new Places(HASHINGS_CONCURRENT_MAX)
  /** Names the sweep leaves alone: the blob of what was kept since it began may still be on its way to its place. */
  readonly #fresh = new Set<string>()
  #stopping = new AbortController()
  #sweeping: Promise<void> = Promise.resolve()
  #isSweeping = false

  constructor(components: TorrentShelfComponents, directory: string) {
    this.#blobs = components.blobs
    this.#logger = components.logger
    this.#directory = directory
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    await mkdir(this.#directory, { recursive: true })
    this.#isSweeping = true
    this.#sweeping = this.#sweep()
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return
        this.#logger.warn({ err: error }, 'old piece hashes were not swept')
      })
      .finally(() => {
        this.#isSweeping = false
        this.#fresh.clear()
      })
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the swarm is stopping'))
    await this.#sweeping
    await Promise.allSettled(this.#making.values())
  }

  /** The torrent of a held blob, hashed first where need be; undefined when the blob is not held or tiny. */
  async of(digest: Digest, signal?: AbortSignal): Promise<Torrent | undefined> {
    const known = this.#remembered.get(digest)
    if (known) return known
    let making = this.#making.get(digest)
    if (!making) {
      making = this.#findOrMake(digest).finally(() => this.#making.delete(digest))
      making.catch(() => {}) // the caller may leave before it ends
      this.#making.set(digest, making)
    }
    return abortable(making, signal)
  }

  /** The torrent where it takes no hashing. */
  async ready(digest: Digest, size: number): Promise<Torrent | undefined> {
    return this.#remembered.get(digest) ?? (await this.#load(digest, size))
  }

  /** Hashes in the background, so that who asks later finds it done. */
  prepare(digest: Digest): void {
    if (this.#making.size >= HASHINGS_WAITING_MAX || this.#stopping.signal.aborted) return
    this.of(digest).catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return
      this.#logger.warn({ digest, err: error }, 'the pieces of a blob could not be hashed')
    })
  }

  pieceLengthOf(size: number): number | undefined {
    return size < TORRENT_BYTES_MIN || size > BLOB_BYTES_MAX ? undefined : pieceLengthOf(size)
  }

  /** The hashes of a blob that is proven: nobody reads it again for them. */
  async keep(digest: Digest, size: number, hashes: Uint8Array): Promise<void> {
    const torrent = torrentOf(digest, size, hashes)
    this.#remembered.set(digest, torrent)
    const path = this.#pathOf(digest)
    if (this.#isSweeping) this.#fresh.add(basename(path))
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeDurable(path, Buffer.concat([Buffer.from(torrent.infoHash, 'hex'), hashes]), 0o600)
    } catch (error) {
      this.#logger.warn({ digest, err: error }, 'swarm: piece hashes were not kept')
    }
  }

  /** A member was told this infohash: a handshake may now wake the torrent. */
  told(torrent: Torrent): void {
    this.#told.set(torrent.infoHash, torrent.digest)
  }

  digestOf(infoHash: string): Digest | undefined {
    return this.#told.get(infoHash)
  }

  async #findOrMake(digest: Digest): Promise<Torrent | undefined> {
    const { signal } = this.#stopping
    const blob = await this.#blobs.open(digest)
    if (!blob) {
      await this.#forget(digest)
      return undefined
    }
    try {
      if (blob.size < TORRENT_BYTES_MIN) return undefined
      const loaded = await this.#load(digest, blob.size)
      if (loaded) return loaded
      const giveBack = await this.#places.take(signal)
      try {
        const hashes = await hashPieces(blob, signal)
        await this.keep(digest, blob.size, hashes)
        return torrentOf(digest, blob.size, hashes)
      } finally {
        giveBack()
      }
    } finally {
      await blob.close()
    }
  }

  async #load(digest: Digest, size: number): Promise<Torrent | undefined> {
    if (size < TORRENT_BYTES_MIN) return undefined
    try {
      const bytes = await readFile(this.#pathOf(digest))
      const torrent = torrentOf(digest, size, bytes.subarray(INFOHASH_BYTES))
      if (torrent.infoHash !== bytes.toString('hex', 0, INFOHASH_BYTES)) return undefined
      this.#remembered.set(digest, torrent)
      return torrent
    } catch {
      return undefined
    }
  }

  async #forget(digest: Digest): Promise<void> {
    this.#remembered.delete(digest)
    await rm(this.#pathOf(digest), { force: true })
  }

  /** Takes away hashes of blobs that are gone, and files a crash left half-written. */
  async #sweep(): Promise<void> {
    for (const algorithm of await readdir(this.#directory)) {
      for (const shelf of await readdir(join(this.#directory, algorithm))) {
        for (const name of await readdir(join(this.#directory, algorithm, shelf))) {
          this.#stopping.signal.throwIfAborted()
          if (this.#fresh.has(name.replace(/\.new$/, ''))) continue
          const digest = `${algorithm}:${name}`
          if (isDigest(digest) && (await this.#blobs.stat(parseDigest(digest)))) continue
          if (this.#fresh.has(name)) continue
          await rm(join(this.#directory, algorithm, shelf, name), { force: true })
        }
      }
    }
  }

  #pathOf(digest: Digest): string {
    const hex = hexOf(digest)
    return join(this.#directory, algorithmOf(digest), hex.slice(0, 2), hex)
  }
}
