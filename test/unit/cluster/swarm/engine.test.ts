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
    await expect.poll(() => seeding.members(), { timeout: 10_000 }).toEqual([])
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

  it('reads no more for a peer than the peer takes, however much it asks for', async () => {
    const { torrent, bytes } = goods(16 * MiB)
    const one = new WebTorrentEngine({ self: 'a', logger: silentLogger, ...runtime })
    await one.start()
    onTestFinished(() => one.stop())
    let read = 0
    const held: PieceBytes = {
      ...bytesOf(bytes),
      readFully: async (into, position) => {
        read += into.length
        bytes.copy(into, 0, position, position + into.length)
      },
    }
    const events = { piece() {}, lied() {}, sent() {}, joined() {}, gone() {}, failed() {} }
    const whom = () => ({ asks: false, site: 'here', ingress: false })
    const seeding = one.join(torrent, held, { complete: true, front: () => undefined, whom, events })
    const [near, far] = await wire()
    await seeding.attach('b', 'b', far)
    near.write(
      Buffer.concat([
        Buffer.from('\x13BitTorrent protocol'),
        Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0x04]),
        Buffer.from(torrent.infoHash, 'hex'),
        Buffer.alloc(20, 'b'),
      ]),
    )
    // It greets at once; when it says what it has (have-all, have-none) it has heard the greeting, too.
    const heard: Buffer[] = []
    const hasSaid = (kind: number) => Buffer.concat(heard).includes(Buffer.from([0, 0, 0, 1, kind]))
    while (!hasSaid(0x0e) && !hasSaid(0x0f)) heard.push(...((await once(near, 'data')) as Buffer[]))
    near.pause()
    const BLOCK = 16 * 1024
    const requests = Array.from({ length: bytes.length / BLOCK }, (_, block) => {
      const request = Buffer.from([0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      request.writeUInt32BE(Math.floor(block / 16), 5)
      request.writeUInt32BE((block % 16) * BLOCK, 9)
      request.writeUInt32BE(BLOCK, 13)
      return request
    })
    near.write(Buffer.concat([Buffer.from([0, 0, 0, 1, 2]), ...requests]))
    // The sockets of the system take some megabytes before they are full.
    let before = -1
    await expect
      .poll(
        () => {
          const stands = read > 0 && read === before
          before = read
          return stands
        },
        { interval: 300, timeout: 15_000 },
      )
      .toBe(true)
    expect(read).toBeLessThan(12 * MiB)
    near.resume()
    await expect.poll(() => read, { timeout: 15_000 }).toBe(16 * MiB)
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
