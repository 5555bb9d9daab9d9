import { open, stat, unlink } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import type { BlobStore, OpenBlob, StagedBlob } from '../../registry/blob-store.ts'
import type { Clock } from '../../runtime/clock.ts'
import { syncDirectory } from '../../runtime/durable-file.ts'
import type { Random } from '../../runtime/random.ts'
import { closeFd, DiskBlob, openFd, sizeOfFd } from './disk-blob.ts'
import { diskFault, isAbsent } from './disk-faults.ts'
import { Halves } from './halves.ts'
import type { HashWorkers } from './hash-workers.ts'
import type { DiskLayout } from './layout.ts'
import { ReadBuffers } from './read-buffers.ts'
import { StagedFile } from './staged-file.ts'

export interface DiskBlobStoreParts {
  readonly layout: DiskLayout
  readonly hashing: HashWorkers
  readonly random: Random
  readonly clock: Clock
}

/** Blobs as plain files an operator can look at. */
export class DiskBlobStore implements BlobStore {
  readonly #layout: DiskLayout
  readonly #hashing: HashWorkers
  readonly #random: Random
  readonly #halves: Halves
  readonly #buffers = new ReadBuffers()

  constructor(parts: DiskBlobStoreParts) {
    this.#layout = parts.layout
    this.#hashing = parts.hashing
    this.#random = parts.random
    this.#halves = new Halves(parts)
  }

  /** Makes the directories, throws away what a crash left half-staged, and takes up what may be gone on with. */
  async start(): Promise<void> {
    await this.#layout.prepare()
    await this.#halves.start()
  }

  async stat(digest: Digest): Promise<{ readonly size: number } | undefined> {
    try {
      const { size } = await stat(this.#layout.blob(digest))
      return { size }
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    let fd: number
    try {
      fd = await openFd(this.#layout.blob(digest))
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
    try {
      return new DiskBlob(fd, await sizeOfFd(fd), this.#buffers)
    } catch (error) {
      await closeFd(fd)
      throw error
    }
  }

  async stage(digest?: Digest): Promise<StagedBlob> {
    const parts = { layout: this.#layout, hashing: this.#hashing }
    try {
      if (digest) {
        const half = await this.#halves.take(digest)
        return new StagedFile({ ...parts, file: half.file, path: half.path, half })
      }
      const path = this.#layout.piece(Buffer.from(this.#random.bytes(16)).toString('base64url'))
      return new StagedFile({ ...parts, file: await open(path, 'wx+', 0o600), path })
    } catch (error) {
      throw diskFault(error)
    }
  }

  async delete(digest: Digest): Promise<boolean> {
    try {
      await unlink(this.#layout.blob(digest))
    } catch (error) {
      if (isAbsent(error)) return false
      throw error
    }
    await syncDirectory(this.#layout.directoryOf(digest))
    return true
  }

  async *list(): AsyncIterable<{ readonly digest: Digest; readonly size: number }> {
    for await (const digest of this.#layout.digests()) {
      const known = await this.stat(digest)
      if (known) yield { digest, size: known.size }
    }
  }
}
