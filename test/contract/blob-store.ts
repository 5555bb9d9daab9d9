import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'

export interface BlobStoreUnderTest {
  readonly store: BlobStore
  /** The same storage seen by a node that has just been started, with the first one not shut down. */
  reopen(): Promise<BlobStore>
  close(): Promise<void>
}

export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`)
}

export async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = []
  // A copy, because a chunk is only valid until the next one is asked for.
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

const MiB = 1024 * 1024

/** What every BlobStore promises. */
export function describeBlobStore(name: string, open: () => Promise<BlobStoreUnderTest>): void {
  describe(`${name}, as a BlobStore`, () => {
    let under: BlobStoreUnderTest
    let store: BlobStore

    beforeEach(async () => {
      under = await open()
      store = under.store
    })
    afterEach(() => under.close())

    async function put(bytes: Uint8Array, digest = digestOf(bytes)): Promise<Digest> {
      const staged = await store.stage()
      await staged.write(bytes, 0)
      await staged.commit(digest)
      return digest
    }

    async function listed(from: BlobStore): Promise<{ digest: Digest; size: number }[]> {
      const all = []
      for await (const one of from.list()) all.push(one)
      return all
    }

    it('has nothing under a digest nobody stored', async () => {
      const digest = digestOf(Buffer.from('nobody'))
      expect(await store.stat(digest)).toBeUndefined()
      expect(await store.open(digest)).toBeUndefined()
      expect(await store.delete(digest)).toBe(false)
      expect(await listed(store)).toEqual([])
    })

    it.each([0, 1, 65_536, MiB - 1, MiB, MiB + 1, 5 * MiB + 17])(
      'gives back %i bytes as they came',
      async (size) => {
        const bytes = randomBytes(size)
        const digest = await put(bytes)
        expect(await store.stat(digest)).toEqual({ size })
        const blob = await store.open(digest)
        expect(blob?.size).toBe(size)
        expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
        await blob!.close()
      },
    )

    it('knows a blob by SHA-512 as well', async () => {
      const bytes = randomBytes(2 * MiB)
      const digest = await put(bytes, digestOf(bytes, 'sha512'))
      const blob = await store.open(digest)
      expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
      await blob!.close()
      expect(await store.stat(digestOf(bytes))).toBeUndefined()
    })

    it('streams any range, both ends included', async () => {
      const bytes = randomBytes(3 * MiB)
      const digest = await put(bytes)
      const blob = await store.open(digest)
      for (const [first, last] of [
        [0, 0],
        [0, MiB - 1],
        [MiB - 1, MiB],
        [17, 3 * MiB - 1],
        [3 * MiB - 1, 3 * MiB - 1],
        [3 * MiB - 5, 9 * MiB],
      ] as const) {
        const got = await gather(blob!.stream({ first, last }))
        expect(got.equals(bytes.subarray(first, last + 1))).toBe(true)
      }
      await blob!.close()
    })

    it('reads at any position, and nothing at the end', async () => {
      const bytes = randomBytes(1000)
      const blob = await store.open(await put(bytes))
      const into = Buffer.alloc(100)
      expect(await blob!.read(into, 500)).toBe(100)
      expect(into.equals(bytes.subarray(500, 600))).toBe(true)
      expect(await blob!.read(into, 950)).toBe(50)
      expect(await blob!.read(into, 1000)).toBe(0)
      await blob!.close()
    })

    it('serves many readers of one blob at once, each its own bytes', async () => {
      const bytes = randomBytes(4 * MiB)
      const digest = await put(bytes)
      const readers = Array.from({ length: 8 }, async (_, at) => {
        const blob = await store.open(digest)
        const got = await gather(blob!.stream({ first: at * 1000, last: bytes.length - 1 }))
        await blob!.close()
        return got.equals(bytes.subarray(at * 1000))
      })
      expect(await Promise.all(readers)).toEqual(Array.from({ length: 8 }, () => true))
    })

    it('ends a stream with the reason its reader gave up for', async () => {
      const blob = await store.open(await put(randomBytes(3 * MiB)))
      const giveUp = new AbortController()
      const reading = (async () => {
        for await (const _ of blob!.stream(undefined, giveUp.signal)) giveUp.abort(new Error('had enough'))
      })()
      await expect(reading).rejects.toThrow('had enough')
      await blob!.close()
    })

    it('can be closed in the middle of a stream, and serves the next reader right', async () => {
      const bytes = randomBytes(4 * MiB)
      const digest = await put(bytes)
      for (let round = 0; round < 20; round++) {
        const blob = await store.open(digest)
        for await (const chunk of blob!.stream()) {
          expect(chunk.length).toBeGreaterThan(0)
          break
        }
        await blob!.close()
      }
      const blob = await store.open(digest)
      expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
      await blob!.close()
    })

    it('never mixes the bytes of a reader that left with those of one that reads on', async () => {
      const left = await store.open(await put(Buffer.alloc(8 * MiB, 0xaa)))
      const stays = await store.open(await put(Buffer.alloc(4 * MiB, 0xbb)))
      const expected = Buffer.alloc(4 * MiB, 0xbb)
      for (let round = 0; round < 60; round++) {
        const leaving = left!.stream()[Symbol.asyncIterator]()
        await leaving.next()
        const [, got] = await Promise.all([leaving.return?.(), gather(stays!.stream())])
        expect(got.equals(expected)).toBe(true)
      }
      await left!.close()
      await stays!.close()
    })

    it('takes the pieces of a staged blob in any order', async () => {
      const bytes = randomBytes(3 * MiB)
      const staged = await store.stage()
      await staged.write(bytes.subarray(2 * MiB), 2 * MiB)
      await staged.write(bytes.subarray(0, MiB), 0)
      await staged.write(bytes.subarray(MiB, 2 * MiB), MiB)
      const back = Buffer.alloc(MiB)
      expect(await staged.read(back, MiB)).toBe(MiB)
      expect(back.equals(bytes.subarray(MiB, 2 * MiB))).toBe(true)
      expect(await staged.commit(digestOf(bytes))).toEqual({ size: bytes.length })
      const blob = await store.open(digestOf(bytes))
      expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
      await blob!.close()
    })

    it.each(['sha256', 'sha512'] as const)(
      'hashes what has settled of a staged blob while the rest arrives, by %s',
      async (algorithm) => {
        const bytes = randomBytes(4 * MiB)
        const digest = digestOf(bytes, algorithm)
        const staged = await store.stage()
        await staged.write(bytes.subarray(0, 3 * MiB), 0)
        staged.settle(2 * MiB, digest)
        staged.settle(3 * MiB, digest)
        await staged.write(bytes.subarray(3 * MiB), 3 * MiB)
        expect(await staged.commit(digest)).toEqual({ size: bytes.length })
        const blob = await store.open(digest)
        expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
        await blob!.close()
      },
    )

    it('finds wrong bytes that have settled, and lets nobody write over what has', async () => {
      const digest = digestOf(randomBytes(3 * MiB))
      const staged = await store.stage()
      await staged.write(randomBytes(3 * MiB), 0)
      staged.settle(2 * MiB, digest)
      await expect(staged.write(randomBytes(MiB), MiB)).rejects.toMatchObject({ code: 'STAGED_SETTLED' })
      await expect(staged.commit(digest)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
      expect(await store.stat(digest)).toBeUndefined()
    })

    it('shows a staged blob to nobody before it is committed', async () => {
      const bytes = randomBytes(1000)
      const staged = await store.stage()
      await staged.write(bytes, 0)
      expect(await store.stat(digestOf(bytes))).toBeUndefined()
      expect(await listed(store)).toEqual([])
      await staged.discard()
    })

    it('refuses bytes that do not give the digest, and keeps nothing of them', async () => {
      const staged = await store.stage()
      await staged.write(randomBytes(2 * MiB), 0)
      const digest = digestOf(Buffer.from('something else'))
      await expect(staged.commit(digest)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
      expect(await store.stat(digest)).toBeUndefined()
      await expect(staged.write(Buffer.from('x'), 0)).rejects.toThrow()
      expect(await listed(await under.reopen())).toEqual([])
    })

    it('refuses a staged blob with a hole where bytes should be', async () => {
      const bytes = randomBytes(3 * MiB)
      const staged = await store.stage()
      await staged.write(bytes.subarray(2 * MiB), 2 * MiB)
      await staged.write(bytes.subarray(0, MiB), 0)
      await expect(staged.commit(digestOf(bytes))).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
    })

    it('may be told to discard as often as one likes, also after a commit', async () => {
      const bytes = randomBytes(10)
      const staged = await store.stage()
      await staged.write(bytes, 0)
      await staged.commit(digestOf(bytes))
      await staged.discard()
      await staged.discard()
      expect(await store.stat(digestOf(bytes))).toEqual({ size: 10 })
    })

    it('takes the same blob twice, also at once', async () => {
      const bytes = randomBytes(2 * MiB)
      await Promise.all([put(bytes), put(bytes), put(bytes)])
      expect(await listed(store)).toEqual([{ digest: digestOf(bytes), size: bytes.length }])
    })

    it('forgets a deleted blob at once, while a reader that has it open reads on', async () => {
      const bytes = randomBytes(3 * MiB)
      const digest = await put(bytes)
      const blob = await store.open(digest)
      expect(await store.delete(digest)).toBe(true)
      expect(await store.stat(digest)).toBeUndefined()
      expect(await store.delete(digest)).toBe(false)
      expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
      await blob!.close()
    })

    it('keeps committed blobs over a restart, and nothing that was staged', async () => {
      const kept = randomBytes(2 * MiB)
      const digest = await put(kept)
      const lost = await store.stage()
      await lost.write(randomBytes(1000), 0)

      const restarted = await under.reopen()
      expect(await listed(restarted)).toEqual([{ digest, size: kept.length }])
      const blob = await restarted.open(digest)
      expect((await gather(blob!.stream())).equals(kept)).toBe(true)
      await blob!.close()
      await lost.discard()
    })
  })
}
