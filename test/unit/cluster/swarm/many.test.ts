import { describe, expect, it } from 'vitest'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import { acquaint, bound, cargo, fleet, found, load, MiB, pull, read, sha256 } from './fleet.ts'

describe('a swarm of several', () => {
  it('serves three leechers at once, which give each other what the seeder is too slow for', async () => {
    const [seeder, ...leechers] = await fleet({ uploadBytesPerSecond: 12e6 }, {}, {}, {})
    const goods = cargo(24 * MiB)
    await load(seeder!, goods)
    const pulled = await Promise.all(leechers.map((ship) => pull(ship, goods.digest)))
    for (const bytes of pulled) expect(sha256(bytes)).toBe(goods.digest)
    const given = leechers.map((ship) => ship.swarm.transfers().torrent.bytesSent)
    expect(Math.max(...given)).toBeGreaterThan(MiB)
    expect(seeder!.swarm.transfers().torrent.bytesSent).toBeLessThan(2.5 * goods.bytes.length)
  })

  it('lets little more than one copy leave a slow seeder, however many pull at once', async () => {
    const [seeder, ...leechers] = await fleet({ uploadBytesPerSecond: 3e6 }, {}, {}, {}, {})
    const goods = cargo(16 * MiB)
    await load(seeder!, goods)
    const pulled = await Promise.all(leechers.map((ship) => pull(ship, goods.digest)))
    for (const bytes of pulled) expect(sha256(bytes)).toBe(goods.digest)
    expect(seeder!.swarm.transfers().torrent.bytesSent).toBeLessThan(1.5 * goods.bytes.length)
  })

  it('takes over the share of a fellow that gets nothing', async () => {
    const stuck = (blobs: BlobStore): BlobStore => ({
      ...bound(blobs),
      stage: async () => {
        const staged = await blobs.stage()
        return {
          write: () => new Promise<void>(() => {}),
          read: (into, position) => staged.read(into, position),
          settle: (length, digest) => staged.settle(length, digest),
          commit: (digest, signal) => staged.commit(digest, signal),
          discard: () => staged.discard(),
        }
      },
    })
    const [seeder, idle, ...leechers] = await fleet({ uploadBytesPerSecond: 6e6 }, { blobs: stuck }, {}, {})
    const goods = cargo(12 * MiB)
    await load(seeder!, goods)
    const waiting = await found(idle!, goods.digest)
    waiting.committed.catch(() => {}) // it ends with the test
    const pulled = await Promise.all(leechers.map((ship) => pull(ship, goods.digest)))
    for (const bytes of pulled) expect(sha256(bytes)).toBe(goods.digest)
    expect(leechers.map((ship) => ship.swarm.transfers().direct.bytesReceived)).toEqual([0, 0])
  })

  it('makes one transfer of many fetches of one digest', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(8 * MiB)
    await load(a!, goods)
    const pulled = await Promise.all([1, 2, 3, 4, 5].map(() => pull(b!, goods.digest)))
    for (const bytes of pulled) expect(sha256(bytes)).toBe(goods.digest)
    expect(a!.swarm.transfers().torrent.bytesSent).toBe(goods.bytes.length)
    expect(b!.swarm.transfers().torrent.blobsReceived).toBe(1)
  })

  it('gives a reader the first bytes long before the last piece has come', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 4e6 }, {})
    const goods = cargo(8 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    const stream = blob.stream()[Symbol.asyncIterator]()
    const first = await stream.next()
    expect(first.value).toEqual(goods.bytes.subarray(0, (first.value as Uint8Array).length))
    expect(b!.swarm.transfers().torrent.bytesReceived).toBeLessThan(4 * MiB)
    expect(await b!.blobs.stat(goods.digest)).toBeUndefined()
    await blob.committed
    await stream.return?.()
  })

  it('withholds the last chunk until the whole agrees with the digest', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(4 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    let read = 0
    for await (const chunk of blob.stream()) {
      read += chunk.length
      if (read === goods.bytes.length) expect(await b!.blobs.stat(goods.digest)).toBeDefined()
    }
    expect(read).toBe(goods.bytes.length)
  })

  it('streams any range of a blob on its way, and the same range when it has come', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(5 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    const range = { first: 1_300_000, last: 4_000_123 }
    const wanted = goods.bytes.subarray(range.first, range.last + 1)
    expect(wanted.equals(await read(blob.stream(range)))).toBe(true)
    await blob.committed
    expect(wanted.equals(await read(blob.stream(range)))).toBe(true)
    const again = await found(b!, goods.digest)
    expect(wanted.equals(await read(again.stream(range)))).toBe(true)
  })

  it('goes on with another seeder when one is lost', async () => {
    const [a, b, c] = await fleet({ uploadBytesPerSecond: 6e6 }, { uploadBytesPerSecond: 6e6 }, {})
    const goods = cargo(16 * MiB)
    await load(a!, goods)
    await load(b!, goods)
    const pulling = pull(c!, goods.digest)
    await expect.poll(() => a!.swarm.transfers().torrent.bytesSent, { interval: 5 }).toBeGreaterThan(MiB)
    await a!.sink()
    expect(sha256(await pulling)).toBe(goods.digest)
    const [transfer] = c!.swarm.transfers().recent
    expect(transfer?.from.toSorted()).toEqual([a!.name, b!.name])
  })

  it('finishes the fetch when the reader has gone', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 8e6 }, {})
    const goods = cargo(6 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    const leaving = new AbortController()
    const reading = (async () => {
      for await (const _ of blob.stream(undefined, leaving.signal))
        leaving.abort(new Error('the client hung up'))
    })()
    await expect(reading).rejects.toThrow('the client hung up')
    await blob.committed
    expect(await b!.blobs.stat(goods.digest)).toEqual({ size: goods.bytes.length })
  })

  it('serves on what it has just fetched', async () => {
    const [a, b, c] = await fleet({}, {}, {})
    const goods = cargo(3 * MiB)
    await load(a!, goods)
    await pull(b!, goods.digest)
    await a!.sink()
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]).toMatchObject({ transport: 'torrent', from: [b!.name] })
  })

  it('carries many blobs at once, large and small, each to each', async () => {
    const ships = await fleet({}, {}, {})
    const goods = Array.from({ length: 18 }, (_, index) => cargo((index % 6) * 400_000 + 1000))
    for (const [index, one] of goods.entries()) await load(ships[index % 3]!, one)
    await Promise.all(
      ships.flatMap((ship) =>
        goods.map(async ({ digest }) => expect(sha256(await pull(ship, digest))).toBe(digest)),
      ),
    )
    const sums = ships.map((ship) => ship.swarm.transfers())
    expect(sums.map(({ torrent }) => torrent.blobsReceived)).toEqual([12, 9, 9])
    expect(sums.map(({ direct }) => direct.blobsReceived)).toEqual([0, 3, 3])
  })

  it('tells its readers when it stops', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 1e6 }, {})
    const goods = cargo(4 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    const reading = read(blob.stream())
    await Promise.all([
      expect(reading).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' }),
      expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' }),
      b!.swarm.stop(),
    ])
    await expect(b!.swarm.fetch(cargo(1).digest)).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
  })

  it('puts a torrent to sleep when its last connection has gone, and wakes it for the next', async () => {
    const [a, b, c] = await fleet({ haste: 20 }, { haste: 20 }, { haste: 20 })
    const goods = cargo(MiB)
    await load(a!, goods)
    expect(a!.swarm.activeTorrents()).toBe(0)
    await pull(b!, goods.digest)
    await expect.poll(() => a!.swarm.activeTorrents()).toBe(0)
    await expect.poll(() => b!.swarm.activeTorrents()).toBe(0)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
  })

  it('goes over a stream where no connection of the swarm can be made, each piece proven', async () => {
    const [a, b] = await fleet({}, { haste: 10 })
    const goods = cargo(3 * MiB + 1)
    await load(a!, goods)
    b!.roster.put(a!.host.self, { swarm: ['127.0.0.1:1'] })
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().recent[0]).toMatchObject({ transport: 'direct', from: [a!.name] })
  })

  it('asks over a stream for what a torrent that stands still does not bring', async () => {
    // One byte a second: after the first block nothing comes.
    const [a, b] = await fleet({ uploadBytesPerSecond: 1 }, { haste: 20 })
    const goods = cargo(2 * MiB)
    await load(a!, goods)
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().recent[0]).toMatchObject({ transport: 'direct', from: [a!.name] })
  })

  it('finds a member that connects while the fetch is under way', async () => {
    const [a, b, c] = await fleet({ uploadBytesPerSecond: 2e6 }, {}, {})
    const goods = cargo(6 * MiB)
    await load(a!, goods)
    await load(c!, goods)
    b!.roster.put(c!.host.self, { state: 'left' })
    await expect.poll(() => b!.host.connected()).not.toContain(c!.host.self)
    const pulling = pull(b!, goods.digest)
    await expect.poll(() => b!.swarm.transfers().torrent.bytesReceived, { interval: 5 }).toBeGreaterThan(0)
    b!.roster.put(c!.host.self, { state: 'member' })
    acquaint([b!, c!])
    expect(sha256(await pulling)).toBe(goods.digest)
    expect(b!.swarm.transfers().recent[0]?.from).toContain(c!.name)
  })
})
