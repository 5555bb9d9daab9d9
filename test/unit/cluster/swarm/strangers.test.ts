import { createHash } from 'node:crypto'
import { connect as connectPlain } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, it, onTestFinished } from 'vitest'
import WebTorrent from 'webtorrent'
import { certificateOf } from '../../../../cluster/swarm/certificate.ts'
import { metainfoOf, type Torrent, torrentOf } from '../../../../cluster/swarm/torrent.ts'
import {
  acquaint,
  type Cargo,
  cargo,
  fleet,
  found,
  launch,
  load,
  MiB,
  pull,
  type Ship,
  sha256,
} from './fleet.ts'

/** What anybody can compute who has the bytes, or was told by a traitor. */
function torrentOfCargo({ digest, bytes }: Cargo): Torrent {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 256 * 1024) {
    pieces.push(
      createHash('sha1')
        .update(bytes.subarray(at, at + 256 * 1024))
        .digest(),
    )
  }
  return torrentOf(digest, bytes.length, Buffer.concat(pieces))
}

function greeting(torrent: Torrent): Buffer {
  const peerId = Buffer.from('-XX0001-abcdefghijkl')
  return Buffer.concat([
    Buffer.from('\x13BitTorrent protocol'),
    Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0x04]),
    Buffer.from(torrent.infoHash, 'hex'),
    peerId,
  ])
}

/** Resolves with what came until the other side hung up. */
function untilClosed(socket: TLSSocket | ReturnType<typeof connectPlain>): Promise<Buffer> {
  return new Promise((resolve) => {
    const came: Buffer[] = []
    socket.on('data', (chunk: Buffer) => came.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(came)))
  })
}

const TLS = { rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['flotilla-swarm/1'] } as const

/** A blob at a member that is awake and known by its infohash: the best case for a thief. */
async function treasure(): Promise<{
  ship: Ship
  port: number
  goods: Cargo
  torrent: Torrent
  others: Ship[]
}> {
  const [ship, ...others] = await fleet({ uploadBytesPerSecond: 3e6 }, {}, {})
  const goods = cargo(4 * MiB)
  await load(ship!, goods)
  const blob = await found(others[0]!, goods.digest)
  await expect.poll(() => ship!.swarm.activeTorrents()).toBe(1)
  blob.committed.catch(() => {})
  return { ship: ship!, port: ship!.swarm.address()!.port, goods, torrent: torrentOfCargo(goods), others }
}

describe('the port of the swarm', () => {
  it('is the only one the swarm opens', async () => {
    const count = (kind: string) => process.getActiveResourcesInfo().filter((one) => one === kind).length
    const before = { tcp: count('TCPServerWrap'), udp: count('UDPWrap') }
    const [a] = await fleet({})
    // One is libp2p's.
    expect(count('TCPServerWrap') - before.tcp).toBe(2)
    expect(count('UDPWrap')).toBe(before.udp)
    await a!.swarm.stop()
    await expect.poll(() => count('TCPServerWrap') - before.tcp).toBe(1)
  })

  it('is said to be taken when it is, and nothing is left running', async () => {
    const [a, b] = await fleet({}, {})
    const { port } = a!.swarm.address()!
    const listeners = () => process.getActiveResourcesInfo().filter((one) => one === 'TCPServerWrap').length
    const before = listeners()
    await expect(launch(b!.cast, 'late', { port })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    expect(listeners()).toBe(before)
  })

  it('gives a stock BitTorrent client not one byte, though it knows port and infohash', async () => {
    const { ship, port, torrent } = await treasure()
    const client = new WebTorrent({
      dht: false,
      lsd: false,
      tracker: false,
      natUpnp: false,
      natPmp: false,
      utPex: false,
      webSeeds: false,
      utp: false,
      secure: 0,
      maxConns: 10,
    })
    onTestFinished(() => new Promise<void>((resolve) => client.destroy(() => resolve())))
    const leech = client.add(metainfoOf(torrent), {} as never) as unknown as {
      addPeer(address: string): boolean
      once(event: 'infoHash', listener: () => void): void
      downloaded: number
      received: number
      wires: unknown[]
      _peers: Map<string, unknown>
    }
    await new Promise<void>((resolve) => leech.once('infoHash', resolve))
    expect(leech.addPeer(`127.0.0.1:${port}`)).toBe(true)
    await expect
      .poll(() => ship.log)
      .toContainEqual(expect.objectContaining({ message: 'swarm: a connection without TLS refused' }))
    await expect.poll(() => leech._peers.size).toBe(0)
    expect(leech.downloaded).toBe(0)
    expect(leech.wires).toHaveLength(0)
  })

  it('answers plain BitTorrent with nothing of BitTorrent', async () => {
    const { port, torrent } = await treasure()
    const socket = connectPlain(port, '127.0.0.1', () => socket.write(greeting(torrent)))
    const came = await untilClosed(socket)
    // A TLS alert at most.
    expect(came.length).toBeLessThan(16)
  })

  it('refuses a stranger with a certificate of its own before the wire', async () => {
    const { port, torrent, ship } = await treasure()
    const certificate = certificateOf(await generateKeyPair('Ed25519'))
    const socket = connect({ port, host: '127.0.0.1', ...certificate, ...TLS }, () =>
      socket.write(greeting(torrent)),
    )
    expect(await untilClosed(socket)).toHaveLength(0)
    expect(ship.log).toContainEqual(
      expect.objectContaining({ message: 'swarm: a connection of no member refused' }),
    )
  })

  it('refuses who shows no certificate', async () => {
    const { port, torrent } = await treasure()
    const socket = connect({ port, host: '127.0.0.1', ...TLS }, () => socket.write(greeting(torrent)))
    expect(await untilClosed(socket)).toHaveLength(0)
  })

  it('refuses TLS 1.2', async () => {
    const { port, others } = await treasure()
    const certificate = certificateOf(others[0]!.cast.identity.privateKey)
    const socket = connect({
      port,
      host: '127.0.0.1',
      ...certificate,
      ...TLS,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
    })
    expect(await untilClosed(socket)).toHaveLength(0)
  })

  it('refuses a member that was evicted', async () => {
    const { ship, port, torrent, others } = await treasure()
    const evicted = others[1]!
    ship.roster.put(evicted.host.self, { state: 'evicted' })
    const certificate = certificateOf(evicted.cast.identity.privateKey)
    const socket = connect({ port, host: '127.0.0.1', ...certificate, ...TLS }, () =>
      socket.write(greeting(torrent)),
    )
    expect(await untilClosed(socket)).toHaveLength(0)
  })

  it('ends the transfer under way with the membership', async () => {
    const { ship, goods, others } = await treasure()
    const evicted = others[0]!
    const pulling = pull(evicted, goods.digest)
    pulling.catch(() => {})
    await expect
      .poll(() => evicted.swarm.transfers().torrent.bytesReceived, { interval: 5 })
      .toBeGreaterThan(0)
    ship.roster.put(evicted.host.self, { state: 'evicted' })
    await expect(pulling).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
    expect(ship.swarm.transfers().torrent.bytesSent).toBeLessThan(goods.bytes.length)
    expect(ship.swarm.transfers().direct.bytesSent).toBe(0)
  })

  it('does not wake a torrent for a member that was not told of it', async () => {
    const [a, b] = await fleet({}, {})
    const goods = cargo(MiB)
    await load(a!, goods)
    const certificate = certificateOf(b!.cast.identity.privateKey)
    const { port } = a!.swarm.address()!
    const socket = connect({ port, host: '127.0.0.1', ...certificate, ...TLS }, () =>
      socket.write(greeting(torrentOfCargo(goods))),
    )
    expect(await untilClosed(socket)).toHaveLength(0)
    expect(a!.swarm.activeTorrents()).toBe(0)
  })

  it('cuts off a member that announces a message of four gigabytes, and serves on', async () => {
    const { ship, port, torrent, goods, others } = await treasure()
    const certificate = certificateOf(others[1]!.cast.identity.privateKey)
    const socket = connect({ port, host: '127.0.0.1', ...certificate, ...TLS }, () => {
      socket.write(greeting(torrent))
      socket.write(Buffer.from('fffffff0', 'hex'))
    })
    await untilClosed(socket)
    expect(ship.log).toContainEqual(
      expect.objectContaining({ message: 'swarm: a connection broke the rules of the wire' }),
    )
    expect(sha256(await pull(others[1]!, goods.digest))).toBe(goods.digest)
  })

  it('is dialled only for the member it was dialled for', async () => {
    const [a, b, c] = await fleet({}, {}, {})
    const goods = cargo(MiB)
    await load(a!, goods)
    // Somebody redirects a's address to c.
    const { host, port } = c!.swarm.address()!
    b!.roster.put(a!.host.self, { swarm: [`${host}:${port}`] })
    expect(sha256(await pull(b!, goods.digest))).toBe(goods.digest)
    expect(b!.swarm.transfers().recent[0]?.transport).toBe('direct')
    acquaint([a!, b!, c!])
  })
})
