import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseDigest } from '../../../../src/oci/digest.ts'
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

  it('waits a moment for the first member after a start', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(10 * KiB)
    await load(a!, goods)
    b!.roster.put(a!.host.self, { state: 'left' })
    await expect.poll(() => b!.host.connected()).toEqual([])
    b!.roster.put(a!.host.self, { state: 'member' })
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
  })

  it('carries a blob named by SHA-512', async () => {
    const [a, b] = await fleet({}, {})
    const { bytes } = cargo(MiB)
    const digest = parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`)
    await load(a!, { bytes, digest })
    expect(bytes.equals(await pull(b!, digest))).toBe(true)
    expect(b!.swarm.transfers().torrent.blobsReceived).toBe(1)
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
