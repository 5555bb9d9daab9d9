import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hashPieces, torrentOf } from '../../../../cluster/swarm/torrent.ts'
import { TorrentShelf } from '../../../../cluster/swarm/torrent-shelf.ts'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { openDisk, openTemporaryDisk } from '../../../support/disk.ts'
import { temporary } from '../network/cast.ts'
import { type Cargo, cargo, KiB, MiB } from './fleet.ts'

/** As a client sends it. */
async function* oneByOne(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 64 * KiB) yield bytes.subarray(at, at + 64 * KiB)
}

async function stand(...goods: Cargo[]) {
  const disk = await openTemporaryDisk()
  onTestFinished(() => disk.close())
  for (const { bytes, digest } of goods) {
    const staged = await disk.blobs.stage()
    await staged.write(bytes, 0)
    await staged.commit(digest)
  }
  let opened = 0
  const blobs: BlobStore = {
    open: (digest) => {
      opened++
      return disk.blobs.open(digest)
    },
    stat: (digest) => disk.blobs.stat(digest),
    stage: () => disk.blobs.stage(),
    delete: (digest) => disk.blobs.delete(digest),
    list: () => disk.blobs.list(),
  }
  const directory = join(await temporary(), 'torrents')
  const shelf = async () => {
    const one = new TorrentShelf({ blobs, logger: silentLogger }, directory)
    await one.start()
    onTestFinished(() => one.stop())
    return one
  }
  const files = async () => {
    const all = await readdir(directory, { recursive: true, withFileTypes: true })
    return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  }
  return { root: disk.root, blobs, shelf, files, opened: () => opened }
}

describe('the shelf of torrents', () => {
  it('hashes a blob once, whoever asks, and finds the hashes after a restart', async () => {
    const goods = cargo(MiB)
    const { shelf, opened } = await stand(goods)
    const first = await shelf()
    const [one, two] = await Promise.all([first.of(goods.digest), first.of(goods.digest)])
    expect(one?.infoHash).toBe(two?.infoHash)
    expect(opened()).toBe(1)
    const second = await shelf()
    expect((await second.ready(goods.digest, goods.bytes.length))?.infoHash).toBe(one?.infoHash)
    expect(opened()).toBe(1)
  })

  it('has no torrent of a small blob, nor of one that is not here', async () => {
    const small = cargo(255 * KiB)
    const { shelf } = await stand(small)
    const one = await shelf()
    expect(await one.of(small.digest)).toBeUndefined()
    expect(await one.of(cargo(MiB).digest)).toBeUndefined()
  })

  it('makes hashes again that were torn or changed on disk', async () => {
    const goods = cargo(MiB)
    const { shelf, files } = await stand(goods)
    const torrent = await (await shelf()).of(goods.digest)
    const [path] = await files()
    const bytes = await readFile(path!)
    for (const damaged of [
      bytes.subarray(0, 30),
      Buffer.concat([bytes.subarray(0, 25), Buffer.alloc(75)]),
      Buffer.alloc(0),
    ]) {
      await writeFile(path!, damaged)
      const again = await shelf()
      expect(await again.ready(goods.digest, goods.bytes.length)).toBeUndefined()
      expect((await again.of(goods.digest))?.infoHash).toBe(torrent?.infoHash)
      expect((await readFile(path!)).equals(bytes)).toBe(true)
    }
  })

  it('sweeps hashes of blobs that are gone, and what a crash left, at the start', async () => {
    const [kept, gone] = [cargo(MiB), cargo(MiB)]
    const { blobs, shelf, files } = await stand(kept, gone)
    const first = await shelf()
    await first.of(kept.digest)
    await first.of(gone.digest)
    const [path] = (await files()).filter((file) => file.endsWith(kept.digest.slice(7)))
    await writeFile(`${path}.new`, 'half')
    await blobs.delete(gone.digest)
    await shelf()
    await expect.poll(files).toEqual([path])
  })

  it.each([256 * KiB, MiB, 3 * MiB + 17])(
    'has the torrent of a pushed blob of %i bytes unread',
    async (size) => {
      const goods = cargo(size)
      const { shelf, opened, root, blobs } = await stand()
      const one = await shelf()
      const disk = await openDisk(root, systemClock, one)
      onTestFinished(() => disk.close())
      const { uploads } = disk
      const { id } = await uploads.create({ principal: 'p', repository: 'r' })
      await uploads.append(id, 0, oneByOne(goods.bytes))
      await uploads.commit(id, goods.digest)
      const torrent = await one.of(goods.digest)
      expect(opened()).toBe(0)
      // A restart finds it as well, and hashing the blob gives the same.
      const again = await shelf()
      expect((await again.ready(goods.digest, size))?.infoHash).toBe(torrent?.infoHash)
      const blob = await blobs.open(goods.digest)
      const { signal } = new AbortController()
      expect(torrentOf(goods.digest, size, await hashPieces(blob!, signal)).infoHash).toBe(torrent?.infoHash)
      await blob!.close()
    },
  )

  it('does not sweep what a push has brought whose blob is not in its place yet', async () => {
    const [old, pushed] = [cargo(MiB), cargo(MiB)]
    const { blobs, shelf, files } = await stand(old)
    const first = await shelf()
    await first.of(old.digest)
    await blobs.delete(old.digest)
    const second = await shelf()
    await second.keep(pushed.digest, MiB, Buffer.alloc(80))
    await second.stop()
    expect((await files()).map((path) => basename(path))).toContain(pushed.digest.slice(7))
  })

  it('knows by its infohash only what a member was told of', async () => {
    const goods = cargo(MiB)
    const { shelf } = await stand(goods)
    const one = await shelf()
    const torrent = await one.of(goods.digest)
    expect(one.digestOf(torrent!.infoHash)).toBeUndefined()
    one.told(torrent!)
    expect(one.digestOf(torrent!.infoHash)).toBe<Digest>(goods.digest)
  })
})
