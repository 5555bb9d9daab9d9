import { describe, expect, it } from 'vitest'
import { cargo, fleet, KiB, launch, load, MiB, pull, sha256 } from './fleet.ts'

const THREAD = { thread: true }

describe('a swarm whose engine has a thread of its own', () => {
  it('gives and takes as one without', async () => {
    const [a, b, c] = await fleet(THREAD, THREAD, {})
    const goods = cargo(8 * MiB + 300 * KiB)
    await load(a!, goods)
    const came = await Promise.all([pull(b!, goods.digest), pull(c!, goods.digest)])
    expect(came.map(sha256)).toEqual([goods.digest, goods.digest])
    for (const ship of [b!, c!]) {
      expect(ship.swarm.transfers().recent[0]).toMatchObject({ transport: 'torrent' })
    }
    const sent = () => [a!, b!, c!].reduce((sum, { swarm }) => sum + swarm.transfers().torrent.bytesSent, 0)
    await expect.poll(sent, { timeout: 5_000 }).toBeGreaterThanOrEqual(2 * goods.bytes.length)
  })

  it('listens in the thread alone, and says when the port is taken', async () => {
    const [a, b] = await fleet(THREAD, {})
    const { port } = b!.swarm.address()!
    await expect(launch(a!.cast, 'late', { port, ...THREAD })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    })
  })

  it('lets nobody in who is no member any more', async () => {
    const [a, b] = await fleet(THREAD, { haste: 10 })
    const goods = cargo(2 * MiB)
    await load(a!, goods)
    a!.roster.put(b!.host.self, { state: 'left' })
    expect(await b!.swarm.fetch(goods.digest)).toBeUndefined()
    expect(a!.swarm.transfers().torrent.bytesSent).toBe(0)
  })

  it('tells a full disk as it is told where there is no thread', async () => {
    const full = Object.assign(new Error('no room'), { code: 'STORAGE_FULL' })
    const [a, b] = await fleet(
      {},
      {
        ...THREAD,
        blobs: (blobs) => ({
          stat: (digest) => blobs.stat(digest),
          open: (digest) => blobs.open(digest),
          delete: (digest) => blobs.delete(digest),
          list: () => blobs.list(),
          stage: async () => ({
            ...(await blobs.stage()),
            write: () => Promise.reject(full),
            discard: async () => {},
          }),
        }),
      },
    )
    const goods = cargo(2 * MiB)
    await load(a!, goods)
    await expect(pull(b!, goods.digest)).rejects.toMatchObject({ cause: full })
  })
})
