import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { UploadStore } from '../../src/registry/upload-store.ts'
import { digestOf, gather } from './blob-store.ts'

export interface UploadStoreUnderTest {
  readonly uploads: UploadStore
  /** Where committed uploads end up. */
  readonly blobs: BlobStore
  /** The same storage seen by a node that has just been started, with the first one not shut down. */
  reopen(): Promise<{ readonly uploads: UploadStore; readonly blobs: BlobStore }>
  close(): Promise<void>
}

const MiB = 1024 * 1024
const owner = { principal: 'alice', repository: 'team/app' }

/** Bytes as a socket hands them over: in chunks of its own choosing. */
async function* arriving(bytes: Uint8Array, chunk = 65_536): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
}

/** A sender that waits to be told to go on, or to break off. */
function held(first: Uint8Array): {
  stream: AsyncIterable<Uint8Array>
  begun: Promise<void>
  end(error?: Error): void
} {
  const begun = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  return {
    stream: (async function* () {
      yield first
      begun.resolve()
      await ended.promise
    })(),
    begun: begun.promise,
    end: (error) => (error ? ended.reject(error) : ended.resolve()),
  }
}

/** What every UploadStore promises. */
export function describeUploadStore(name: string, open: () => Promise<UploadStoreUnderTest>): void {
  describe(`${name}, as an UploadStore`, () => {
    let under: UploadStoreUnderTest
    let uploads: UploadStore

    beforeEach(async () => {
      under = await open()
      uploads = under.uploads
    })
    afterEach(() => under.close())

    async function expectBlob(
      blobs: BlobStore,
      bytes: Uint8Array,
      algorithm: 'sha256' | 'sha512' = 'sha256',
    ) {
      const blob = await blobs.open(digestOf(bytes, algorithm))
      expect(blob?.size).toBe(bytes.length)
      expect((await gather(blob!.stream())).equals(bytes)).toBe(true)
      await blob!.close()
    }

    it.each([0, 1, MiB - 1, MiB, MiB + 1, 7 * MiB + 3])('makes a blob of %i bytes', async (size) => {
      const bytes = randomBytes(size)
      const { id } = await uploads.create(owner)
      expect(await uploads.append(id, 0, arriving(bytes))).toBe(size)
      expect(await uploads.commit(id, digestOf(bytes))).toEqual({ size })
      await expectBlob(under.blobs, bytes)
      expect(await uploads.find(id)).toBeUndefined()
    })

    it('takes chunks in requests of any size, one after the other', async () => {
      const bytes = randomBytes(5 * MiB)
      const { id } = await uploads.create(owner)
      let offset = 0
      for (const length of [1, 70_000, 0, 2 * MiB, MiB, 3 * MiB]) {
        const part = bytes.subarray(offset, offset + length)
        offset = await uploads.append(id, offset, arriving(part, 50_000))
        expect((await uploads.find(id))?.offset).toBe(offset)
      }
      await uploads.commit(id, digestOf(bytes))
      await expectBlob(under.blobs, bytes)
    })

    it.each(['sha256', 'sha512'] as const)('verifies %s, announced or not', async (algorithm) => {
      const bytes = randomBytes(3 * MiB)
      for (const announced of ['sha256', 'sha512', undefined] as const) {
        const { id } = await uploads.create(owner, announced)
        await uploads.append(id, 0, arriving(bytes))
        await uploads.commit(id, digestOf(bytes, algorithm))
        await expectBlob(under.blobs, bytes, algorithm)
      }
    })

    it('remembers whose an upload is, and gives every one an id of its own', async () => {
      const ids = new Set<string>()
      for (let at = 0; at < 50; at++) {
        const state = await uploads.create(owner)
        expect(state.id).toMatch(/^[A-Za-z0-9_-]{22,}$/)
        expect(await uploads.find(state.id)).toMatchObject({ owner, offset: 0 })
        ids.add(state.id)
      }
      expect(ids.size).toBe(50)
    })

    it.each(['', '..', '../../etc/passwd', 'nobody', '__proto__', 'a\0b'])(
      'knows no upload %j',
      async (id) => {
        expect(await uploads.find(id)).toBeUndefined()
        expect(await uploads.cancel(id)).toBe(false)
        await expect(uploads.append(id, 0, arriving(randomBytes(1)))).rejects.toMatchObject({
          code: 'UPLOAD_UNKNOWN',
        })
        await expect(uploads.commit(id, digestOf(randomBytes(1)))).rejects.toMatchObject({
          code: 'UPLOAD_UNKNOWN',
        })
      },
    )

    it.each([MiB, 2 * MiB - 1, 2 * MiB + 1, 0])(
      'refuses to go on at %i when it stands at 2 MiB',
      async (offset) => {
        const bytes = randomBytes(3 * MiB)
        const { id } = await uploads.create(owner)
        await uploads.append(id, 0, arriving(bytes.subarray(0, 2 * MiB)))
        const wrong = uploads.append(id, offset, arriving(randomBytes(10)))
        await expect(wrong).rejects.toMatchObject({ code: 'RANGE_INVALID', facts: { offset: 2 * MiB } })
        await uploads.append(id, 2 * MiB, arriving(bytes.subarray(2 * MiB)))
        await uploads.commit(id, digestOf(bytes))
        await expectBlob(under.blobs, bytes)
      },
    )

    it.each([
      ['more', 100, MiB, 11],
      ['more, hashed already', 2 * MiB, 4 * MiB, 3 * MiB],
      ['fewer', 100, 1000, 1001],
      ['fewer, hashed already', 2 * MiB, 3 * MiB, 4 * MiB],
      ['none', 100, 0, 5],
    ])('keeps nothing of a chunk with %s bytes than announced', async (_, before, sent, length) => {
      const bytes = randomBytes(before + 4 * MiB)
      const { id } = await uploads.create(owner)
      await uploads.append(id, 0, arriving(bytes.subarray(0, before)))
      const lying = uploads.append(id, before, arriving(randomBytes(sent)), undefined, length)
      await expect(lying).rejects.toMatchObject({ code: 'SIZE_INVALID' })
      expect((await uploads.find(id))?.offset).toBe(before)
      expect((await (await under.reopen()).uploads.find(id))?.offset).toBe(before)
      const right = bytes.subarray(before)
      await uploads.append(id, before, arriving(right), undefined, right.length)
      await uploads.commit(id, digestOf(bytes))
      await expectBlob(under.blobs, bytes)
    })

    it('refuses bytes that do not give the digest, and the upload is gone', async () => {
      for (const size of [10, 3 * MiB]) {
        const { id } = await uploads.create(owner)
        await uploads.append(id, 0, arriving(randomBytes(size)))
        const digest = digestOf(Buffer.from('other'))
        await expect(uploads.commit(id, digest)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
        expect(await uploads.find(id)).toBeUndefined()
        expect(await under.blobs.stat(digest)).toBeUndefined()
      }
    })

    it('lets one request at a time work on an upload', async () => {
      const bytes = randomBytes(1000)
      const { id } = await uploads.create(owner)
      const sender = held(bytes)
      const first = uploads.append(id, 0, sender.stream)
      await sender.begun
      const busy = expect.objectContaining({ code: 'UPLOAD_BUSY' })
      await expect(uploads.append(id, 0, arriving(bytes))).rejects.toEqual(busy)
      await expect(uploads.commit(id, digestOf(bytes))).rejects.toEqual(busy)
      await expect(uploads.cancel(id)).rejects.toEqual(busy)
      sender.end()
      expect(await first).toBe(1000)
      await uploads.commit(id, digestOf(bytes))
    })

    it.each([1000, 2 * MiB])('keeps the %i bytes that came before a sender broke off', async (size) => {
      const bytes = randomBytes(size + 500)
      const { id } = await uploads.create(owner)
      const sender = held(bytes.subarray(0, size))
      const first = uploads.append(id, 0, sender.stream)
      await sender.begun
      sender.end(new Error('socket hang up'))
      await expect(first).rejects.toThrow('socket hang up')
      expect((await uploads.find(id))?.offset).toBe(size)
      await uploads.append(id, size, arriving(bytes.subarray(size)))
      await uploads.commit(id, digestOf(bytes))
      await expectBlob(under.blobs, bytes)
    })

    it('stops taking bytes when it is told to, and keeps what it had', async () => {
      const { id } = await uploads.create(owner)
      const giveUp = new AbortController()
      async function* endless() {
        for (let at = 0; ; at++) {
          if (at === 40) giveUp.abort(new Error('the node stops'))
          yield randomBytes(65_536)
        }
      }
      await expect(uploads.append(id, 0, endless(), giveUp.signal)).rejects.toThrow('the node stops')
      expect((await uploads.find(id))?.offset).toBe(40 * 65_536)
    })

    it('cancels: the upload is unknown from then on', async () => {
      const { id } = await uploads.create(owner)
      await uploads.append(id, 0, arriving(randomBytes(2 * MiB)))
      expect(await uploads.cancel(id)).toBe(true)
      expect(await uploads.cancel(id)).toBe(false)
      expect(await uploads.find(id)).toBeUndefined()
    })

    it('goes on after the node died half-way, from what is on disk', async () => {
      const bytes = randomBytes(6 * MiB + 11)
      const { id, startedAt } = await uploads.create(owner, 'sha512')
      await uploads.append(id, 0, arriving(bytes.subarray(0, 3 * MiB)))
      // A second request is under way, and its node never hears of the end of it.
      const sender = held(bytes.subarray(3 * MiB, 5 * MiB))
      const lost = uploads.append(id, 3 * MiB, sender.stream)
      await sender.begun

      const restarted = await under.reopen()
      const found = await restarted.uploads.find(id)
      expect(found).toMatchObject({ id, owner, startedAt })
      expect(found!.offset).toBeGreaterThanOrEqual(3 * MiB)
      expect(found!.offset).toBeLessThanOrEqual(5 * MiB)
      await restarted.uploads.append(id, found!.offset, arriving(bytes.subarray(found!.offset)))
      await restarted.uploads.commit(id, digestOf(bytes, 'sha512'))
      await expectBlob(restarted.blobs, bytes, 'sha512')
      sender.end(new Error('dead'))
      await expect(lost).rejects.toThrow()
    })

    it('does not bring back what was committed or cancelled', async () => {
      const bytes = randomBytes(2 * MiB)
      const committed = await uploads.create(owner)
      await uploads.append(committed.id, 0, arriving(bytes))
      await uploads.commit(committed.id, digestOf(bytes))
      const cancelled = await uploads.create(owner)
      await uploads.cancel(cancelled.id)
      const restarted = await under.reopen()
      expect(await restarted.uploads.find(committed.id)).toBeUndefined()
      expect(await restarted.uploads.find(cancelled.id)).toBeUndefined()
      await expectBlob(restarted.blobs, bytes)
    })
  })
}
