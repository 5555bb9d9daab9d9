import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import { fullDisk } from '../../../support/full-disk.ts'
import { type Cargo, cargo, fleet, found, load, MiB, pull, read, type Ship, sha256 } from './fleet.ts'

/** The disk store, with some of its answers replaced. */
function but(blobs: BlobStore, other: Partial<BlobStore>): BlobStore {
  return {
    stat: (digest) => blobs.stat(digest),
    open: (digest) => blobs.open(digest),
    stage: (digest) => blobs.stage(digest),
    delete: (digest) => blobs.delete(digest),
    list: () => blobs.list(),
    ...other,
  }
}

/** Says of every blob that it has it, and has none. */
function boaster({ bytes }: Cargo): (blobs: BlobStore) => BlobStore {
  return (blobs) => but(blobs, { stat: async () => ({ size: bytes.length }) })
}

/** A port where everybody is let in, and nobody is ever answered. */
async function silence(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** No file is left of what did not come to its end. */
async function expectNothingStaged(ship: Ship): Promise<void> {
  expect(await readdir(join(ship.root, 'staging', 'pieces'))).toEqual([])
}

describe('a member that says it has what it has not', { timeout: 60_000 }, () => {
  it('is passed by for one that has it', async () => {
    const goods = cargo(4 * MiB)
    const [liar, honest, c] = await fleet({ blobs: boaster(goods) }, {}, {})
    await load(honest!, goods)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]?.from).toEqual([honest!.name])
    expect(liar!.swarm.transfers().torrent.bytesSent).toBe(0)
  })

  it('alone makes the pull fail, clearly and soon', async () => {
    const goods = cargo(4 * MiB)
    const [, b] = await fleet({ blobs: boaster(goods) }, { haste: 10 })
    const blob = await found(b!, goods.digest)
    await expect(read(blob.stream())).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    await expectNothingStaged(b!)
  })
})

describe('a slow member', { timeout: 60_000 }, () => {
  it('of 1 KiB/s does not hold up a pull that another can serve', async () => {
    const [slow, fast, c] = await fleet({ uploadBytesPerSecond: 1024 }, {}, { haste: 4 })
    const goods = cargo(16 * MiB)
    await load(slow!, goods)
    await load(fast!, goods)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    // At its pace the blob would take four hours.
    expect(slow!.swarm.transfers().torrent.bytesSent).toBeLessThan(MiB)
  })
})

describe('a member that never answers', { timeout: 60_000 }, () => {
  it('whether it has the blob is not waited for', async () => {
    const never = (blobs: BlobStore) => but(blobs, { stat: () => new Promise(() => {}) })
    const [, honest, c] = await fleet({ blobs: never }, {}, {})
    const goods = cargo(4 * MiB)
    await load(honest!, goods)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]?.from).toEqual([honest!.name])
  })

  it('at its swarm port is passed by for one that does', async () => {
    const [mute, honest, c] = await fleet({}, {}, {})
    const goods = cargo(4 * MiB)
    await load(mute!, goods)
    await load(honest!, goods)
    c!.roster.put(mute!.host.self, { swarm: [await silence()] })
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]).toMatchObject({ transport: 'torrent', from: [honest!.name] })
  })

  it('at its swarm port is asked over a stream where nobody else has the blob', async () => {
    const [mute, b] = await fleet({}, { haste: 20 })
    const goods = cargo(2 * MiB)
    await load(mute!, goods)
    b!.roster.put(mute!.host.self, { swarm: [await silence()] })
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().recent[0]).toMatchObject({ transport: 'direct', from: [mute!.name] })
  })
})

describe('piece hashes that are no hashes of the blob', { timeout: 60_000 }, () => {
  /** What stands on the shelf of a node whose pieces were never hashed, or were meant to mislead. */
  const mislead = (ship: Ship, { digest, bytes }: Cargo) =>
    ship.swarm.pieces.keep(digest, bytes.length, randomBytes(20 * Math.ceil(bytes.length / (256 * 1024))))

  it('do not keep a pull from an honest holder: of two torrents of one digest the right one wins', async () => {
    const [liar, honest, c] = await fleet({}, {}, {})
    const goods = cargo(4 * MiB)
    await mislead(liar!, goods)
    await load(liar!, goods)
    await load(honest!, goods)
    expect(sha256(await pull(c!, goods.digest))).toBe(goods.digest)
    expect(c!.swarm.transfers().recent[0]?.from).toContain(honest!.name)
  })

  it('fail the pull where nobody has others, and nothing of it is kept', async () => {
    const [liar, b] = await fleet({}, {})
    const goods = cargo(16 * MiB)
    await mislead(liar!, goods)
    await load(liar!, goods)
    const blob = await found(b!, goods.digest)
    await expect(read(blob.stream())).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    expect(await b!.blobs.stat(goods.digest)).toBeUndefined()
    await expectNothingStaged(b!)
  })
})

describe('a disk that fills up in the middle', { timeout: 60_000 }, () => {
  it('fails the pull, says why, and has its room back; later the same pull succeeds', async (context) => {
    const disk = fullDisk('64m')
    if (!disk) return context.skip('no right to mount a file system')
    const [a, b] = await fleet({ uploadBytesPerSecond: 24e6 }, { root: disk.directory })
    const goods = cargo(32 * MiB)
    await load(a!, goods)
    const blob = await found(b!, goods.digest)
    blob.committed.catch(() => {})
    const reading = read(blob.stream())
    reading.catch(() => {})
    await expect
      .poll(() => b!.swarm.transfers().torrent.bytesReceived, { interval: 2, timeout: 10_000 })
      .toBeGreaterThan(2 * MiB)
    disk.fill()
    await expect(reading).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await expect(blob.committed).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await expectNothingStaged(b!)
    expect(b!.swarm.activeTorrents()).toBe(0)
    disk.free()
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
  })
})

describe('a blob that is deleted while it is seeded', { timeout: 60_000 }, () => {
  it('is given to the end to who began, and to nobody after', async () => {
    const [a, b, c] = await fleet({ uploadBytesPerSecond: 8e6, haste: 20 }, {}, {})
    const goods = cargo(8 * MiB)
    await load(a!, goods)
    const pulling = pull(b!, goods.digest)
    await expect
      .poll(() => b!.swarm.transfers().torrent.bytesReceived, { interval: 2, timeout: 10_000 })
      .toBeGreaterThan(MiB)
    await a!.blobs.delete(goods.digest)
    expect(sha256(await pulling)).toBe(goods.digest)
    await b!.blobs.delete(goods.digest)
    await expect.poll(() => a!.swarm.activeTorrents(), { timeout: 10_000 }).toBe(0)
    expect(await c!.swarm.fetch(goods.digest)).toBeUndefined()
  })
})

describe('ten thousand requests for blobs that nobody has', { timeout: 120_000 }, () => {
  it('end one like the other, most of them at once, and a pull goes through afterwards', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(MiB)
    await load(a!, goods)
    const absent = Array.from({ length: 10_000 }, () => `sha256:${randomBytes(32).toString('hex')}` as Digest)
    const outcomes = await Promise.all(
      absent.map((digest) =>
        b!.swarm.fetch(digest).then(
          (blob) => (blob ? 'found' : 'nobody has it'),
          (error: { code?: string }) => error.code ?? 'other',
        ),
      ),
    )
    const counts = Map.groupBy(outcomes, (outcome) => outcome)
    expect([...counts.keys()].sort()).toEqual(['TOO_MANY_WAITING', 'nobody has it'])
    // 64 at once and 1024 in line are asked for; the others are told to come again.
    expect(counts.get('nobody has it')?.length).toBeGreaterThanOrEqual(64 + 1024)
    expect(b!.log.filter(({ level }) => level === 'warn').length).toBeLessThan(30)
    await expectNothingStaged(b!)
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
  })
})
