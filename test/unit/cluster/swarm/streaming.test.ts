import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { BlobStore, OpenBlob } from '../../../../src/registry/blob-store.ts'
import { cargo, fleet, found, load, MiB, read, sha256 } from './fleet.ts'

/** A store whose streams take their time: so much a second that a test can step in. */
function unhurried(blobs: BlobStore): BlobStore {
  const open = async (digest: Digest): Promise<OpenBlob | undefined> => {
    const blob = await blobs.open(digest)
    return (
      blob && {
        size: blob.size,
        read: (into, position) => blob.read(into, position),
        close: () => blob.close(),
        async *stream(range, signal) {
          for await (const chunk of blob.stream(range, signal)) {
            yield chunk
            await sleep(50)
          }
        },
      }
    )
  }
  return {
    open,
    stat: (digest) => blobs.stat(digest),
    stage: (digest) => blobs.stage(digest),
    delete: (digest) => blobs.delete(digest),
    list: () => blobs.list(),
  }
}

describe('a blob that is read while it comes', { timeout: 60_000 }, () => {
  it('over a stream goes on from another holder where the first one died, and nothing comes twice', async () => {
    const [a, b, c] = await fleet({ blobs: unhurried }, { blobs: unhurried }, {})
    const goods = cargo(12 * MiB)
    await load(a!, goods)
    await load(b!, goods)
    for (const { host } of [a!, b!]) c!.roster.put(host.self, { swarm: ['127.0.0.1:1'] })
    const blob = await found(c!, goods.digest)
    const reading = read(blob.stream())
    await expect
      .poll(() => c!.swarm.transfers().direct.bytesReceived, { interval: 5, timeout: 30_000 })
      .toBeGreaterThan(2 * MiB)
    const [giver, other] = a!.swarm.transfers().direct.bytesSent > 0 ? [a!, b!] : [b!, a!]
    await giver.sink()
    expect(sha256(await reading)).toBe(goods.digest)
    await blob.committed
    const { direct, recent } = c!.swarm.transfers()
    expect(direct.bytesReceived).toBe(goods.bytes.length)
    expect(recent[0]?.from.toSorted()).toEqual([giver.name, other.name].toSorted())
    // The other was asked for what was missing, from the piece the first one died in.
    expect(other.swarm.transfers().direct.bytesSent).toBeLessThan(goods.bytes.length - 2 * MiB + 256 * 1024)
  })

  it('is not lost for the others when one of its readers hangs up', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 8e6 }, {})
    const goods = cargo(8 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    const leaving = new AbortController()
    const left = (async () => {
      const joined = await b!.swarm.fetch(goods.digest, leaving.signal)
      for await (const _ of joined!.stream(undefined, leaving.signal)) leaving.abort(new Error('hung up'))
    })()
    const range = { first: 3 * MiB + 5, last: 6 * MiB + 11 }
    const ranged = read((await found(b!, goods.digest)).stream(range))
    const whole = read(blob.stream())
    await expect(left).rejects.toThrow('hung up')
    expect(goods.bytes.subarray(range.first, range.last + 1).equals(await ranged)).toBe(true)
    expect(sha256(await whole)).toBe(goods.digest)
    expect(b!.swarm.transfers().torrent.bytesReceived).toBe(goods.bytes.length)
  })

  it('goes on over a stream from where the swarm stands still', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 6e6 }, {})
    const goods = cargo(12 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    const reading = read(blob.stream())
    await expect
      .poll(() => b!.swarm.transfers().torrent.bytesReceived, { interval: 5, timeout: 30_000 })
      .toBeGreaterThan(2 * MiB)
    // From now on the swarm's port is another's, and the connection that stands is cut.
    b!.roster.put(a!.host.self, { swarm: ['127.0.0.1:1'] })
    await a!.swarm.stop()
    await a!.swarm.start()
    expect(sha256(await reading)).toBe(goods.digest)
    const { torrent, direct } = b!.swarm.transfers()
    expect(torrent.bytesReceived + direct.bytesReceived).toBe(goods.bytes.length)
    expect(direct.bytesReceived).toBeGreaterThan(0)
  })
})
