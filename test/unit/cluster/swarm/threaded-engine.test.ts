import { describe, expect, it, onTestFinished } from 'vitest'
import { NO_LINKS } from '../../../../cluster/links/links.ts'
import type { Engine } from '../../../../cluster/swarm/engine.ts'
import { ThreadedEngine } from '../../../../cluster/swarm/threaded-engine.ts'
import { type Torrent, torrentOf } from '../../../../cluster/swarm/torrent.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { cast, networkKey, runtime } from '../network/cast.ts'
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
      code: 'PORT_IN_USE',
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

  it('fails its torrents when the thread ends by an error, and begins anew at the same port', async () => {
    const { host, identity, roster } = await cast(networkKey())
    const engine = new ThreadedEngine(
      {
        self: host.self,
        identity: identity.privateKey,
        roster,
        links: NO_LINKS,
        logger: silentLogger,
        timers: runtime.timers,
      },
      { host: '127.0.0.1', port: 0, accept() {} },
    )
    await engine.start()
    onTestFinished(() => engine.stop())
    const { port } = engine.address()!
    const torrent = torrentOf(cargo(MiB).digest, MiB, Buffer.alloc(4 * 20))
    const failed = Promise.withResolvers<unknown>()
    join(engine, torrent, failed.resolve)
    // What no thread can make anything of.
    join(engine, { ...torrent, info: null as never })
    expect(await failed.promise).toBeInstanceOf(Error)
    expect(engine.address()).toBeUndefined()
    await expect.poll(() => engine.address()?.port, { timeout: 60_000 }).toBe(port)
  })
})

function join(engine: Engine, torrent: Torrent, failed: (error: unknown) => void = () => {}): void {
  engine.join(
    torrent,
    { readFully: async () => {}, write: async () => {} },
    {
      complete: true,
      front: () => undefined,
      whom: () => ({ asks: false, site: 'here', ingress: false }),
      events: { piece() {}, lied() {}, sent() {}, joined() {}, gone() {}, failed },
    },
  )
}
