import { describe, expect, it } from 'vitest'
import { cargo, fleet, found, KiB, load, MiB, pull, read, sha256 } from './fleet.ts'

describe('a swarm', () => {
  it('brings a large blob from one member to another by BitTorrent, byte for byte', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(32 * MiB + 12_345)
    await load(a!, goods)
    const bytes = await pull(b!, goods.digest)
    expect(sha256(bytes)).toBe(goods.digest)
    expect(await b!.blobs.stat(goods.digest)).toEqual({ size: goods.bytes.length })
    const got = b!.swarm.transfers()
    expect(got.torrent).toMatchObject({ blobsReceived: 1, bytesReceived: goods.bytes.length })
    expect(got.direct.blobsReceived).toBe(0)
    expect(got.recent).toMatchObject([
      { digest: goods.digest, size: goods.bytes.length, transport: 'torrent', from: [a!.name] },
    ])
    expect(a!.swarm.transfers().torrent.bytesSent).toBe(goods.bytes.length)
    expect(b!.log).toContainEqual(
      expect.objectContaining({ level: 'info', message: 'blob arrived by BitTorrent', from: [a!.name] }),
    )
  })

  it('sends a small blob directly, without a torrent', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(200 * KiB)
    await load(a!, goods)
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    const got = b!.swarm.transfers()
    expect(got.direct).toMatchObject({ blobsReceived: 1, bytesReceived: goods.bytes.length })
    expect(got.torrent.blobsReceived).toBe(0)
    expect(a!.swarm.transfers().direct.bytesSent).toBe(goods.bytes.length)
  })

  it('says so when no member has the blob', async () => {
    const [, b] = await fleet({}, {})
    expect(await b!.swarm.fetch(cargo(10).digest)).toBeUndefined()
  })

  it('carries the empty blob', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(0)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    expect(await read(blob.stream())).toHaveLength(0)
    await blob.committed
    expect(await b!.blobs.stat(goods.digest)).toEqual({ size: 0 })
  })
})
