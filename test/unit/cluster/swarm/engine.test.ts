import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PieceBytes, SessionEvents } from '../../../../cluster/swarm/engine.ts'
import { type Torrent, torrentOf } from '../../../../cluster/swarm/torrent.ts'
import { WebTorrentEngine } from '../../../../cluster/swarm/webtorrent-engine.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { runtime } from '../network/cast.ts'
import { cargo, MiB } from './fleet.ts'

/** Two ends of a real connection. */
async function wire(): Promise<[Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[far]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(near, 'connect')])
  server.close()
  return [near, far]
}

/** Bytes in a buffer: the engine is what is looked at here. */
function bytesOf(buffer: Buffer): PieceBytes {
  return {
    readFully: async (into, position) => {
      buffer.copy(into, 0, position, position + into.length)
    },
    write: async (bytes, position) => {
      buffer.set(bytes, position)
    },
  }
}

async function engine(self: string) {
  const one = new WebTorrentEngine({ self, logger: silentLogger, ...runtime })
  await one.start()
  onTestFinished(() => one.stop())
  return {
    join: (torrent: Torrent, buffer: Buffer, complete: boolean, events: Partial<SessionEvents> = {}) =>
      one.join(torrent, bytesOf(buffer), {
        complete,
        front: () => undefined,
        whom: () => ({ asks: true, site: 'here', ingress: false }),
        events: { piece() {}, lied() {}, sent() {}, joined() {}, gone() {}, failed() {}, ...events },
      }),
  }
}

function goods(size: number): { torrent: Torrent; bytes: Buffer } {
  const { digest, bytes } = cargo(size)
  const pieces: Buffer[] = []
  for (let at = 0; at < size; at += 256 * 1024) {
    pieces.push(
      createHash('sha1')
        .update(bytes.subarray(at, at + 256 * 1024))
        .digest(),
    )
  }
  return { bytes, torrent: torrentOf(digest, size, Buffer.concat(pieces)) }
}

describe('the torrent engine', () => {
  it('keeps, of two connections that members opened to each other at once, the same one at both ends', async () => {
    const { torrent, bytes } = goods(2 * MiB)
    const [a, b] = [await engine('a'), await engine('b')]
    const atA = a.join(torrent, Buffer.alloc(bytes.length), false)
    const atB = b.join(torrent, Buffer.alloc(bytes.length), false)
    const [byA, byAFar] = await wire()
    const [byB, byBFar] = await wire()
    await Promise.all([atA.attach('b', 'a', byA), atB.attach('a', 'b', byB)])
    await Promise.all([atA.attach('b', 'b', byBFar), atB.attach('a', 'a', byAFar)])
    await expect.poll(() => [byB.destroyed, byBFar.destroyed]).toEqual([true, true])
    expect([byA.destroyed, byAFar.destroyed]).toEqual([false, false])
    expect([atA.members(), atB.members()]).toEqual([['b'], ['a']])
  })

  it('ends the connection of two that both have everything', async () => {
    const { torrent, bytes } = goods(MiB)
    const [a, b] = [await engine('a'), await engine('b')]
    const came = Buffer.alloc(bytes.length)
    const seeding = a.join(torrent, bytes, true)
    const leeching = b.join(torrent, came, false)
    const [near, far] = await wire()
    await Promise.all([leeching.attach('a', 'b', near), seeding.attach('b', 'b', far)])
    await expect.poll(() => seeding.members()).toEqual([])
    await expect.poll(() => leeching.members()).toEqual([])
    expect(came.equals(bytes)).toBe(true)
  })

  it('names the one who sent a wrong piece among several', async () => {
    const { torrent, bytes } = goods(4 * MiB)
    const [honest, liar, leech] = [await engine('honest'), await engine('liar'), await engine('leech')]
    const wrong = Buffer.from(bytes)
    for (let at = 0; at < wrong.length; at += 16 * 1024) wrong[at] = wrong[at]! ^ 0xff
    const lied: string[] = []
    const came = Buffer.alloc(bytes.length)
    let pieces = 0
    const leeching = leech.join(torrent, came, false, {
      lied: (member) => lied.push(member),
      piece: () => pieces++,
    })
    for (const [name, side, buffer] of [
      ['liar', liar, wrong],
      ['honest', honest, bytes],
    ] as const) {
      const [near, far] = await wire()
      const seeding = side.join(torrent, buffer, true)
      await Promise.all([leeching.attach(name, 'leech', near), seeding.attach('leech', 'leech', far)])
    }
    const nudging = setInterval(() => leeching.nudge(), 20)
    onTestFinished(() => clearInterval(nudging))
    await expect.poll(() => pieces, { timeout: 5000 }).toBe(torrent.pieceCount)
    expect(came.equals(bytes)).toBe(true)
    expect(lied).toEqual(['liar'])
  })

  it('reports a disk that fails', async () => {
    const { torrent, bytes } = goods(MiB)
    const seeding = (await engine('a')).join(torrent, bytes, true)
    const one = new WebTorrentEngine({ self: 'b', logger: silentLogger, ...runtime })
    await one.start()
    onTestFinished(() => one.stop())
    const failed = Promise.withResolvers<unknown>()
    const leeching = one.join(
      torrent,
      {
        readFully: async () => {},
        write: async () => {
          throw new Error('no room')
        },
      },
      {
        complete: false,
        front: () => undefined,
        whom: () => ({ asks: true, site: 'here', ingress: false }),
        events: { piece() {}, lied() {}, sent() {}, joined() {}, gone() {}, failed: failed.resolve },
      },
    )
    const [near, far] = await wire()
    await Promise.all([leeching.attach('a', 'b', near), seeding.attach('b', 'b', far)])
    expect(await failed.promise).toMatchObject({ message: 'no room' })
  })
})
