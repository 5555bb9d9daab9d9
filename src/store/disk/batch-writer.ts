import type { FileHandle } from 'node:fs/promises'
import { BLOB_WRITE_CHUNK_BYTES } from '../../limits.ts'

/**
 * Gathers chunks and writes them a batch at a time, while the next batch arrives. Chunks are kept, not
 * copied, until they are written.
 */
export class BatchWriter {
  readonly #file: FileHandle
  readonly #onWritten: (position: number) => void
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #position: number

  /** @param onWritten called with the position up to which the file has been written */
  constructor(file: FileHandle, position: number, onWritten: (position: number) => void) {
    this.#file = file
    this.#position = position
    this.#onWritten = onWritten
  }

  /** Resolves when there is room for more. */
  async push(chunk: Uint8Array): Promise<void> {
    this.#gathered.push(chunk)
    this.#gatheredBytes += chunk.length
    if (this.#gatheredBytes >= BLOB_WRITE_CHUNK_BYTES) await this.#startBatch()
  }

  /** Resolves when everything pushed is in the file. */
  async flush(): Promise<void> {
    if (this.#gatheredBytes > 0) await this.#startBatch()
    await this.#writing
  }

  async #startBatch(): Promise<void> {
    await this.#writing
    const batch = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#writing = this.#write(batch)
    // It is awaited before the next batch and in flush; until then a failure is nobody's.
    this.#writing.catch(() => {})
  }

  async #write(batch: Uint8Array[]): Promise<void> {
    let rest = batch
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, this.#position)
      this.#position += bytesWritten
      rest = without(rest, bytesWritten)
    }
    this.#onWritten(this.#position)
  }
}

/** What is left of `batch` after its first `written` bytes: a write may be short. */
function without(batch: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = written
  for (const chunk of batch) {
    if (skip < chunk.length) rest.push(skip > 0 ? chunk.subarray(skip) : chunk)
    skip = Math.max(0, skip - chunk.length)
  }
  return rest
}
