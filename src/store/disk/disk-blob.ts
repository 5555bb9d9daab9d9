import * as fs from 'node:fs'
import { Fault } from '../../errors.ts'
import type { ByteRange, OpenBlob } from '../../registry/blob-store.ts'
import type { ReadBuffers } from './read-buffers.ts'

/** An open committed blob. Owns its descriptor, and keeps it until no read is under way. */
export class DiskBlob implements OpenBlob {
  readonly size: number
  readonly #fd: number
  readonly #buffers: ReadBuffers
  readonly #reads = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(fd: number, size: number, buffers: ReadBuffers) {
    this.#fd = fd
    this.size = size
    this.#buffers = buffers
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    if (this.#closing) throw new Fault('BLOB_CLOSED', 'the blob has been closed')
    const reading = readAt(this.#fd, into, position)
    this.#reads.add(reading)
    try {
      return await reading
    } finally {
      this.#reads.delete(reading)
    }
  }

  async *stream(range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const end = range ? Math.min(range.last + 1, this.size) : this.size
    let position = range?.first ?? 0
    // One buffer is with the caller while the next is being filled.
    let ahead = this.#readAhead(position, end)
    try {
      while (ahead) {
        const { buffer, filling } = ahead
        const length = await filling
        signal?.throwIfAborted()
        if (length === 0) {
          throw new Fault('BLOB_TRUNCATED', 'the file of the blob is shorter than it was', {
            size: this.size,
          })
        }
        position += length
        ahead = this.#readAhead(position, end)
        try {
          yield buffer.subarray(0, length)
        } finally {
          this.#buffers.give(buffer)
        }
      }
    } finally {
      if (ahead) {
        // The kernel may still be writing into it.
        await ahead.filling.catch(() => {})
        this.#buffers.give(ahead.buffer)
      }
    }
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#reads).then(() => closeFd(this.#fd))
    return this.#closing
  }

  #readAhead(position: number, end: number): { buffer: Buffer; filling: Promise<number> } | undefined {
    if (position >= end) return undefined
    const buffer = this.#buffers.take()
    const filling = this.read(buffer.subarray(0, Math.min(buffer.length, end - position)), position)
    // The stream awaits it in its turn; until then a failure is nobody's.
    filling.catch(() => {})
    return { buffer, filling }
  }
}

/** Opens for reading; the callback interface costs half of what a FileHandle does per read. */
export function openFd(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, 'r', (error, fd) => (error ? reject(error) : resolve(fd)))
  })
}

export function sizeOfFd(fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(stats.size)))
  })
}

export function closeFd(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(fd, (error) => (error ? reject(error) : resolve()))
  })
}

function readAt(fd: number, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, 0, into.length, position, (error, length) => (error ? reject(error) : resolve(length)))
  })
}
