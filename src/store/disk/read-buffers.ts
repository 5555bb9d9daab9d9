import { BLOB_READ_CHUNK_BYTES } from '../../limits.ts'

/** 128 readers with two buffers each; 256 MiB in all. */
const LARGE_OUT_MAX = 256
/** Kept for the next reader; beyond, memory goes back to the system. */
const LARGE_IDLE_MAX = 32
/** What a reader gets when the large ones are out: slower for everybody, but thousands of slow clients fit. */
const SMALL_BYTES = 64 * 1024

/** Buffers for reading blobs, used again and again: allocating one per read costs more than the read. */
export class ReadBuffers {
  readonly #idle: Buffer[] = []
  #out = 0

  take(): Buffer {
    if (this.#out >= LARGE_OUT_MAX) return Buffer.allocUnsafeSlow(SMALL_BYTES)
    this.#out++
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(BLOB_READ_CHUNK_BYTES)
  }

  /** The caller promises that nobody, the kernel included, touches `buffer` any more. */
  give(buffer: Buffer): void {
    if (buffer.length !== BLOB_READ_CHUNK_BYTES) return
    this.#out--
    if (this.#idle.length < LARGE_IDLE_MAX) this.#idle.push(buffer)
  }
}
