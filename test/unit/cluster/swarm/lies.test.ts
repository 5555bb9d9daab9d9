import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../../../src/errors.ts'
import { type Digest, hexOf } from '../../../../src/oci/digest.ts'
import type { BlobStore, OpenBlob } from '../../../../src/registry/blob-store.ts'
import { bound, cargo, fleet, found, KiB, load, MiB, pull, read, type Ship, sha256 } from './fleet.ts'

/** Turns bytes of the held file over, all through it, as a worn disk does. */
async function rot(ship: Ship, digest: Digest): Promise<void> {
  const names = await readdir(ship.root, { recursive: true, withFileTypes: true })
  const held = names.find(
    (entry) => entry.isFile() && entry.name === hexOf(digest) && !entry.parentPath.includes('torrents'),
  )
  const file = await open(join(held!.parentPath, held!.name), 'r+')
  const { size } = await file.stat()
  for (let position = 7; position < size; position += 64 * KiB)
    await file.write(Buffer.from([0xee]), 0, 1, position)
  await file.close()
}

/** A store that reads other bytes than it holds, always the same. */
function lying(blobs: BlobStore): BlobStore {
  const open = async (digest: Digest): Promise<OpenBlob | undefined> => {
    const blob = await blobs.open(digest)
    if (!blob) return undefined
    const twist = (bytes: Uint8Array) => {
      bytes.fill(0xab, 0, 3)
      return bytes
    }
    return {
      size: blob.size,
      close: () => blob.close(),
      async read(into, position) {
        const length = await blob.read(into, position)
        if (position === 0) twist(into)
        return length
      },
      async *stream(range, signal) {
        let first = true
        for await (const chunk of blob.stream(range, signal)) {
          yield first ? twist(Uint8Array.from(chunk)) : chunk
          first = false
        }
      },
    }
  }
  return { ...bound(blobs), open }
}

/** Its piece hashes are made before the disk goes bad. */
async function hashed(ship: Ship): Promise<void> {
  await expect.poll(async () => (await readdir(join(ship.root, 'torrents'))).length).toBeGreaterThan(0)
}

describe('a holder with wrong bytes', () => {
  it('is dropped, and an honest one serves the pull', async () => {
    const [worn, honest, c] = await fleet({}, {}, {})
    const goods = cargo(6 * MiB)
    await load(worn!, goods)
    await load(honest!, goods)
    await hashed(worn!)
    await hashed(honest!)
    await rot(worn!, goods.digest)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]?.from).toEqual([honest!.name])
    expect(c!.log).toContainEqual(
      expect.objectContaining({ level: 'warn', member: worn!.host.self, digest: goods.digest }),
    )
  })

  it('alone fails the pull, clearly, and leaves nothing behind', async () => {
    const [worn, b] = await fleet({}, {})
    const goods = cargo(2 * MiB)
    await load(worn!, goods)
    await hashed(worn!)
    await rot(worn!, goods.digest)
    const blob = await found(b!, goods.digest)
    await expect(read(blob.stream())).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    expect(await b!.blobs.stat(goods.digest)).toBeUndefined()
    const left = await readdir(b!.root, { recursive: true, withFileTypes: true })
    expect(left.filter((entry) => entry.isFile()).map((entry) => entry.name)).toEqual([])
  })

  it('is passed over for the same blob afterwards', async () => {
    const [worn, b] = await fleet({}, {})
    const goods = cargo(MiB)
    await load(worn!, goods)
    await hashed(worn!)
    await rot(worn!, goods.digest)
    await expect(pull(b!, goods.digest)).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    expect(await b!.swarm.fetch(goods.digest)).toBeUndefined()
  })

  it('is found out by the digest where its piece hashes fit its wrong bytes', async () => {
    const [liar, b] = await fleet({ blobs: lying }, {})
    const goods = cargo(2 * MiB)
    await load(liar!, goods)
    const blob = await found(b!, goods.digest)
    await expect(read(blob.stream())).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    expect(await b!.blobs.stat(goods.digest)).toBeUndefined()
  })

  it('that was believed first makes the fetch begin again with the honest one', async () => {
    const [liar, b, honest] = await fleet({ blobs: lying }, {}, {})
    const goods = cargo(3 * MiB)
    await load(liar!, goods)
    // The honest member is met only when the liar has been found.
    honest!.roster.put(b!.host.self, { state: 'left' })
    b!.roster.put(honest!.host.self, { state: 'left' })
    await expect.poll(() => b!.host.connected()).toEqual([liar!.host.self])
    await load(honest!, goods)
    const blob = await found(b!, goods.digest)
    honest!.roster.put(b!.host.self, { state: 'member' })
    b!.roster.put(honest!.host.self, { state: 'member' })
    await expect.poll(() => b!.host.connected()).toContain(honest!.host.self)
    await blob.committed.catch(() => pull(b!, goods.digest))
    expect(await b!.blobs.stat(goods.digest)).toEqual({ size: goods.bytes.length })
    expect(b!.swarm.transfers().recent[0]?.from).toEqual([honest!.name])
  })

  it('is not believed by readers while another member contradicts it', async () => {
    const [liar, honest, c] = await fleet({ blobs: lying }, {}, {})
    const goods = cargo(3 * MiB)
    await load(liar!, goods)
    await load(honest!, goods)
    await hashed(liar!)
    await hashed(honest!)
    // Whichever is asked first.
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]?.from).toEqual([honest!.name])
  })

  it('costs a reader that has no byte of it yet only time', async () => {
    const late = Promise.withResolvers<void>()
    const tardy = (blobs: BlobStore): BlobStore => ({
      ...bound(blobs),
      stat: async (digest) => {
        await late.promise
        return blobs.stat(digest)
      },
    })
    const [liar, honest, c] = await fleet({ blobs: lying }, { blobs: tardy }, {})
    const goods = cargo(MiB)
    await load(liar!, goods)
    await load(honest!, goods)
    const blob = await found(c!, goods.digest)
    // The last bytes are withheld until the digest is proven: of this range the reader gets none of the lie.
    const range = { first: goods.bytes.length - 1000, last: goods.bytes.length - 1 }
    const reading = read(blob.stream(range))
    await expect.poll(() => c!.log).toContainEqual(expect.objectContaining({ members: [liar!.name] }))
    late.resolve()
    expect(goods.bytes.subarray(range.first).equals(await reading)).toBe(true)
    await blob.committed
    expect(c!.swarm.transfers().recent[0]?.from).toEqual([honest!.name])
  })

  it('is passed over when it tells another size than the rest', async () => {
    const late = Promise.withResolvers<void>()
    const tardy = (blobs: BlobStore): BlobStore => ({
      ...bound(blobs),
      stat: async (digest) => {
        await late.promise
        return blobs.stat(digest)
      },
    })
    const boasting = (blobs: BlobStore): BlobStore => ({
      ...bound(blobs),
      stat: async (digest) => {
        const held = await blobs.stat(digest)
        return held && { size: held.size * 2 }
      },
    })
    const [boaster, honest, c] = await fleet({ blobs: boasting }, { blobs: tardy }, {})
    const goods = cargo(2 * MiB)
    await load(boaster!, goods)
    await load(honest!, goods)
    const blob = await found(c!, goods.digest)
    expect(blob.size).toBe(2 * goods.bytes.length)
    late.resolve()
    await blob.committed
    expect(await c!.blobs.stat(goods.digest)).toEqual({ size: goods.bytes.length })
    await expect(read(blob.stream())).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
  })

  it('is found out by the digest where the blob is small', async () => {
    const [liar, honest, c] = await fleet({ blobs: lying }, {}, {})
    const goods = cargo(10 * KiB)
    await load(liar!, goods)
    await expect(pull(c!, goods.digest)).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    await load(honest!, goods)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
  })
})

describe('a node that cannot store', () => {
  const full = (where: 'write' | 'commit') => (blobs: BlobStore) => ({
    ...bound(blobs),
    stage: async () => {
      const staged = await blobs.stage()
      const fail = async () => {
        throw new Fault('STORAGE_FULL', 'the disk of this node is full')
      }
      let writes = 0
      return {
        write: (bytes: Uint8Array, position: number) =>
          where === 'write' && ++writes > 3 ? fail() : staged.write(bytes, position),
        read: (into: Uint8Array, position: number) => staged.read(into, position),
        settle: (length: number, digest: Digest) => staged.settle(length, digest),
        commit: (digest: Digest) => (where === 'commit' ? fail() : staged.commit(digest)),
        discard: () => staged.discard(),
      }
    },
  })

  it.each(['write', 'commit'] as const)('says so to readers when the %s fails, by torrent', async (where) => {
    const [a, b] = await fleet({}, { blobs: full(where) })
    const goods = cargo(3 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    await expect(read(blob.stream())).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(b!.swarm.activeTorrents()).toBe(0)
  })

  it('never ends a stream early as if it were whole when its own disk cannot be read', async () => {
    const unreadable = (blobs: BlobStore): BlobStore => ({
      ...bound(blobs),
      stage: async () => {
        const staged = await blobs.stage()
        return {
          write: (bytes, position) => staged.write(bytes, position),
          commit: (digest, signal) => staged.commit(digest, signal),
          discard: () => staged.discard(),
          settle: (length, digest) => staged.settle(length, digest),
          read: async () => {
            throw new Error('the disk does not answer')
          },
        }
      },
    })
    const [a, b] = await fleet({ uploadBytesPerSecond: 4e6 }, { blobs: unreadable })
    const goods = cargo(4 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    await expect(read(blob.stream())).rejects.toThrow('the disk does not answer')
    await blob.committed
  })

  it('says so when a direct transfer cannot be committed', async () => {
    const [a, b] = await fleet({}, { blobs: full('commit') })
    const goods = cargo(30 * KiB)
    await load(a!, goods)
    await expect(pull(b!, goods.digest)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  })
})
