import { createHash } from 'node:crypto'
import { Fault } from '../../../src/errors.ts'
import { type Digest, parseDigest } from '../../../src/oci/digest.ts'
import type { BlobSource } from '../../../src/registry/blob-source.ts'
import type { BlobStore } from '../../../src/registry/blob-store.ts'
import type { Timers } from '../../../src/runtime/timers.ts'
import { SNAPSHOT_FETCH_MS_MAX } from '../../limits.ts'

export interface ShelfParts {
  readonly blobs: BlobStore
  readonly source: BlobSource
  readonly timers: Timers
}

/** Snapshots as blobs: here, or at members that have them. */
export class SnapshotShelf {
  readonly #parts: ShelfParts

  constructor(parts: ShelfParts) {
    this.#parts = parts
  }

  /** Keeps what streams in under its digest, and lets others know. Nothing of it stays where that fails. */
  async put(
    stream: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<{ digest: Digest; bytes: number }> {
    const { blobs, source } = this.#parts
    const staged = await blobs.stage()
    try {
      const sum = createHash('sha256')
      let bytes = 0
      for await (const chunk of stream) {
        signal.throwIfAborted()
        sum.update(chunk)
        await staged.write(chunk, bytes)
        bytes += chunk.length
      }
      const digest = parseDigest(`sha256:${sum.digest('hex')}`)
      await staged.commit(digest, signal)
      source.announce(digest, bytes)
      return { digest, bytes }
    } catch (error) {
      await staged.discard()
      throw error
    }
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#parts.blobs.stat(parseDigest(digest))) !== undefined
  }

  /**
   * Has the blob here when it resolves, verified.
   * @throws Fault SNAPSHOT_UNREACHABLE when nobody has it or it does not come in time, BLOB_FETCH_FAILED
   */
  async fetch(text: string, signal: AbortSignal): Promise<void> {
    await this.read(text, undefined, signal, async (_stream, whole) => whole)
  }

  /**
   * Lets `use` read the blob, from here or while it arrives. Its end only comes once the whole has given the digest.
   * @param bytes its length, where that is known
   * @throws what `fetch` throws; Fault SNAPSHOT_INVALID where the blob is of another length
   */
  async read<T>(
    text: string,
    bytes: number | undefined,
    signal: AbortSignal,
    use: (stream: () => AsyncIterable<Uint8Array>, whole: Promise<void>) => Promise<T>,
  ): Promise<T> {
    const { source, blobs, timers } = this.#parts
    const digest = parseDigest(text)
    const here = await blobs.open(digest)
    if (here) {
      try {
        checkLength(here.size, bytes)
        return await use(() => here.stream(undefined, signal), Promise.resolve())
      } finally {
        await here.close()
      }
    }
    const limit = new AbortController()
    const late = new Fault('SNAPSHOT_UNREACHABLE', 'the snapshot did not arrive in time', { digest })
    const callOff = timers.after(SNAPSHOT_FETCH_MS_MAX, () => limit.abort(late))
    const given = AbortSignal.any([signal, limit.signal])
    try {
      const incoming = await source.fetch(digest, given, { purpose: 'records' })
      if (!incoming) {
        throw new Fault('SNAPSHOT_UNREACHABLE', 'no member in reach holds the snapshot', { digest })
      }
      checkLength(incoming.size, bytes)
      const whole = abandonable(incoming.committed, given)
      whole.catch(() => {})
      const used = await use(() => incoming.stream(undefined, given), whole)
      await whole
      return used
    } finally {
      callOff()
    }
  }

  async drop(digest: string): Promise<void> {
    await this.#parts.blobs.delete(parseDigest(digest))
  }
}

function checkLength(size: number, signed: number | undefined): void {
  if (signed === undefined || size === signed) return
  throw new Fault('SNAPSHOT_INVALID', 'the snapshot is not as long as was signed', { bytes: size, signed })
}

async function abandonable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  let abandon = () => {}
  const abandoned = new Promise<never>((_, reject) => {
    abandon = () => reject(signal.reason)
    signal.addEventListener('abort', abandon, { once: true })
  })
  try {
    await Promise.race([promise, abandoned])
  } finally {
    signal.removeEventListener('abort', abandon)
  }
}
