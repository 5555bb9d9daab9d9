import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { TorrentShelf } from '../../../../cluster/swarm/torrent-shelf.ts'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { openTemporaryDisk } from '../../../support/disk.ts'
import { temporary } from '../network/cast.ts'
import { type Cargo, cargo, KiB, MiB } from './fleet.ts'

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
  return { blobs, shelf, files, opened: () => opened }
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
