import { open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { Digest } from '../../../../src/oci/digest.ts'
import { type Cargo, cargo, fleet, found, load, MiB, pull, type Ship, sha256 } from './fleet.ts'

const SIZE = 24 * MiB

/** Fetches until about a third is here, and is then stopped as a node is that shuts down. */
async function broken(ship: Ship, { digest }: Cargo): Promise<number> {
  const blob = await found(ship, digest)
  blob.committed.catch(() => {})
  await expect
    .poll(() => ship.swarm.transfers().torrent.bytesReceived, { interval: 5, timeout: 10_000 })
    .toBeGreaterThan(SIZE / 3)
  await ship.swarm.stop()
  await expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
  return ship.swarm.transfers().torrent.bytesReceived
}

function halfOf(ship: Ship, digest: Digest): string {
  return join(ship.root, 'staging', 'pieces', digest.replace(':', '-'))
}

describe('a fetch that a stop of the node has broken off', { timeout: 60_000 }, () => {
  it('goes on with what is here: not a piece comes twice', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 12e6 }, {})
    const goods = cargo(SIZE)
    await load(a!, goods)
    const before = await broken(b!, goods)
    expect(before).toBeLessThan(SIZE)
    const sent = a!.swarm.transfers().torrent.bytesSent
    await b!.swarm.start()
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().torrent.bytesReceived).toBe(SIZE)
    // What had left the other end and was no whole piece yet comes again: a pipeline at most.
    expect(a!.swarm.transfers().torrent.bytesSent - sent).toBeLessThanOrEqual(SIZE - before)
    expect(a!.swarm.transfers().torrent.bytesSent).toBeLessThan(SIZE + 8 * MiB)
    expect(await readdir(join(b!.root, 'staging', 'pieces'))).toEqual([])
  })

  it('gives a reader at once what is here, before another byte comes', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 12e6 }, {})
    const goods = cargo(SIZE)
    await load(a!, goods)
    await broken(b!, goods)
    await b!.swarm.start()
    const blob = await found(b!, goods.digest)
    for await (const chunk of blob.stream()) {
      expect(goods.bytes.subarray(0, chunk.length).equals(chunk)).toBe(true)
      break
    }
    await blob.committed
    expect(b!.swarm.transfers().torrent.bytesReceived).toBe(SIZE)
  })

  it('hashes again what its map does not prove, and fetches only what fails', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 12e6 }, {})
    const goods = cargo(SIZE)
    await load(a!, goods)
    const before = await broken(b!, goods)
    // The map of a node that was killed before it had synced anything.
    const path = join(halfOf(b!, goods.digest), 'note')
    const note = await readFile(path)
    expect(note.subarray(21).some((byte) => byte !== 0)).toBe(true)
    await writeFile(path, Buffer.concat([note.subarray(0, 21), Buffer.alloc(note.length - 21)]))
    await b!.swarm.start()
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(before).toBeGreaterThan(SIZE / 3)
    expect(b!.swarm.transfers().torrent.bytesReceived).toBe(SIZE)
  })

  it('is begun anew when its bytes have changed on the disk, and nobody is blamed', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 12e6 }, {})
    const goods = cargo(SIZE)
    await load(a!, goods)
    await broken(b!, goods)
    const note = await readFile(join(halfOf(b!, goods.digest), 'note'))
    const proven = [...note.subarray(21)].findIndex((byte) => byte === 0xff) * 8
    expect(proven).toBeGreaterThanOrEqual(0)
    const file = await open(join(halfOf(b!, goods.digest), 'bytes'), 'r+')
    // Not in the piece the torrent library looks at again.
    await file.write(
      Buffer.from([goods.bytes[(proven + 3) * 256 * 1024]! ^ 0xff]),
      0,
      1,
      (proven + 3) * 256 * 1024,
    )
    await file.close()
    await b!.swarm.start()
    const blob = await found(b!, goods.digest)
    await blob.committed
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().recent[0]?.from).toEqual([a!.name])
    expect(b!.log).toContainEqual(
      expect.objectContaining({ message: 'swarm: what an earlier fetch has left did not give the digest' }),
    )
  })

  it('is gone on with when its sources were lost and come back', async () => {
    const [a, b] = await fleet({ uploadBytesPerSecond: 12e6 }, { haste: 3 })
    const goods = cargo(SIZE)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    blob.committed.catch(() => {})
    await expect
      .poll(() => b!.swarm.transfers().torrent.bytesReceived, { interval: 5, timeout: 10_000 })
      .toBeGreaterThan(SIZE / 3)
    a!.roster.put(b!.host.self, { state: 'left' })
    b!.roster.put(a!.host.self, { state: 'left' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    a!.roster.put(b!.host.self, { state: 'member' })
    b!.roster.put(a!.host.self, { state: 'member' })
    // The connection is made anew when both have hung up: whoever asks in between finds nobody.
    await vi.waitFor(() => found(b!, goods.digest), { timeout: 15_000 })
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().torrent.bytesReceived).toBe(SIZE)
  })
})
