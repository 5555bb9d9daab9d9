import { type FileHandle, rename, rm } from 'node:fs/promises'
import { Fault } from '../../errors.ts'
import { algorithmOf, type Digest, hexOf } from '../../oci/digest.ts'
import type { StagedBlob } from '../../registry/blob-store.ts'
import { syncDirectory } from '../../runtime/durable-file.ts'
import { diskFault } from './disk-faults.ts'
import type { HashWorkers } from './hash-workers.ts'
import type { DiskLayout } from './layout.ts'

/** A private file that becomes a blob, or nothing. */
export class StagedFile implements StagedBlob {
  readonly #file: FileHandle
  readonly #path: string
  readonly #layout: DiskLayout
  readonly #hashing: HashWorkers
  #ended = false

  constructor(file: FileHandle, path: string, layout: DiskLayout, hashing: HashWorkers) {
    this.#file = file
    this.#path = path
    this.#layout = layout
    this.#hashing = hashing
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#refuseEnded()
    try {
      let written = 0
      while (written < bytes.length) {
        const left = bytes.length - written
        const { bytesWritten } = await this.#file.write(bytes, written, left, position + written)
        written += bytesWritten
      }
    } catch (error) {
      throw diskFault(error)
    }
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.#refuseEnded()
    const { bytesRead } = await this.#file.read(into, 0, into.length, position)
    return bytesRead
  }

  async commit(digest: Digest, signal?: AbortSignal): Promise<{ readonly size: number }> {
    this.#refuseEnded()
    try {
      const { size } = await this.#file.stat()
      const [{ hex }] = await Promise.all([
        this.#hashing.hashFile(this.#path, size, algorithmOf(digest)),
        this.#file.datasync(),
      ])
      signal?.throwIfAborted()
      if (hex !== hexOf(digest)) {
        throw new Fault('DIGEST_INVALID', 'the bytes do not give the digest', { digest, size })
      }
      this.#ended = true
      await this.#file.close()
      await putInPlace(this.#layout, this.#path, digest)
      return { size }
    } catch (error) {
      await this.discard()
      throw diskFault(error)
    }
  }

  async discard(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#file.close()
    await rm(this.#path, { force: true })
  }

  #refuseEnded(): void {
    if (this.#ended) throw new Fault('STAGED_ENDED', 'the staged blob was committed or discarded')
  }
}

/**
 * The moment a blob comes to be: a file whose bytes are verified and on stable storage gets its name, and
 * the name is made durable too. Over an older file of the same digest it puts the same bytes.
 */
export async function putInPlace(layout: DiskLayout, path: string, digest: Digest): Promise<void> {
  const directory = await layout.directoryFor(digest)
  await rename(path, layout.blob(digest))
  await syncDirectory(directory)
}
