import { type FileHandle, rename, rm } from 'node:fs/promises'
import { Fault } from '../../errors.ts'
import { BLOB_WRITE_CHUNK_BYTES } from '../../limits.ts'
import { algorithmOf, type Digest, hexOf } from '../../oci/digest.ts'
import type { Keeping, StagedBlob } from '../../registry/blob-store.ts'
import { syncDirectory } from '../../runtime/durable-file.ts'
import { diskFault } from './disk-faults.ts'
import type { Half } from './halves.ts'
import type { Hashed, HashWorkers, Tail } from './hash-workers.ts'
import type { DiskLayout } from './layout.ts'

export interface StagedFileParts {
  readonly file: FileHandle
  readonly path: string
  readonly layout: DiskLayout
  readonly hashing: HashWorkers
  /** Where the file is one that may be left half-way. */
  readonly half?: Half
}

/** A private file that becomes a blob, or nothing. */
export class StagedFile implements StagedBlob {
  readonly #file: FileHandle
  readonly #path: string
  readonly #layout: DiskLayout
  readonly #hashing: HashWorkers
  readonly #half: Half | undefined
  readonly keeping?: Keeping
  #written = false
  #ended = false
  /** Follows what has settled: after the last byte there is little left to hash. */
  #tail: Tail | undefined
  #settled = 0

  constructor({ file, path, layout, hashing, half }: StagedFileParts) {
    this.#file = file
    this.#path = path
    this.#layout = layout
    this.#hashing = hashing
    this.#half = half
    if (half) this.keeping = this.#keep(half)
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#refuseEnded()
    if (position < this.#settled) throw new Fault('STAGED_SETTLED', 'what has settled is not written again')
    this.#written = true
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

  settle(length: number, digest: Digest): void {
    if (this.#ended || length <= this.#settled) return
    this.#settled = length
    // A small file is not worth a trip to a thread.
    if (length <= BLOB_WRITE_CHUNK_BYTES) return
    this.#tail ??= this.#hashing.tail(this.#path, algorithmOf(digest))
    this.#tail.advance(length)
  }

  async commit(digest: Digest, signal?: AbortSignal): Promise<{ readonly size: number }> {
    this.#refuseEnded()
    try {
      const { size } = await this.#file.stat()
      const [{ hex }] = await Promise.all([this.#hash(size, digest), this.#file.datasync()])
      signal?.throwIfAborted()
      if (hex !== hexOf(digest)) {
        throw new Fault('DIGEST_INVALID', 'the bytes do not give the digest', { digest, size })
      }
      this.#end()
      await this.#file.close()
      await putInPlace(this.#layout, this.#path, digest)
      return { size }
    } catch (error) {
      // Who was only told to stop may still leave it.
      if (!signal?.aborted) await this.discard()
      throw diskFault(error)
    } finally {
      if (this.#ended) await this.#half?.remove()
    }
  }

  #hash(size: number, digest: Digest): Promise<Hashed> {
    const algorithm = algorithmOf(digest)
    const tail = this.#tail
    this.#tail = undefined
    if (tail?.algorithm === algorithm) return tail.finish(size)
    tail?.drop()
    return this.#hashing.hashFile(this.#path, size, algorithm)
  }

  #end(): void {
    this.#ended = true
    this.#tail?.drop()
    this.#tail = undefined
  }

  async discard(): Promise<void> {
    if (this.#ended) return
    this.#end()
    await this.#file.close()
    if (this.#half) await this.#half.remove()
    else await rm(this.#path, { force: true })
  }

  #keep(half: Half): Keeping {
    return {
      note: half.note,
      checkpoint: async (note) => {
        this.#refuseEnded()
        try {
          // Before the first byte there is nothing a power cut could take: no pull is worth a sync that early.
          if (this.#written) await this.#file.datasync()
          await half.write(note, this.#written)
        } catch (error) {
          throw diskFault(error)
        }
      },
      leave: async () => {
        if (this.#ended) return
        this.#end()
        await this.#file.close()
        await half.leave()
      },
    }
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
  // Nobody needs a half of it any more.
  await rm(layout.half(digest), { recursive: true, force: true })
}
