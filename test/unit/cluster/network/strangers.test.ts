import { connect, type Socket } from 'node:net'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Stream, StreamMuxerFactory } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { WireKey } from '../../../../cluster/network/keyring.ts'
import { KeyringProtector } from '../../../../cluster/network/keyring-protector.ts'
import { wire } from '../../../../cluster/network/libp2p-node.ts'
import { topicsOf } from '../../../../cluster/network/topics.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'
import { allUp, type Cast, CLUSTER, cast, cluster, introduce, networkKey } from './cast.ts'

const topics = topicsOf(CLUSTER)
const protectorWith = (key: WireKey) =>
  new KeyringProtector({ outbound: () => key, inbound: () => [key] }, systemRandom)

/** A libp2p with none of our gates that speaks every protocol a member speaks. */
async function stranger(key: WireKey, muxers = wire(protectorWith(key)).streamMuxers) {
  const node = await createLibp2p({
    ...wire(protectorWith(key)),
    streamMuxers: muxers,
    connectionMonitor: { enabled: false },
    services: {
      identify: identify({ protocolPrefix: 'flotilla', runOnLimitedConnection: true }),
      ping: ping({ protocolPrefix: 'flotilla', runOnLimitedConnection: true }),
      pubsub: gossipsub({ runOnLimitedConnection: true }),
    },
  })
  onTestFinished(() => node.stop())
  const heard: string[] = []
  node.services.pubsub.addEventListener('message', ({ detail }) => heard.push(detail.topic))
  for (const topic of Object.values(topics)) node.services.pubsub.subscribe(topic)
  return { node, heard }
}

/** Tries every protocol of the victim over whatever connection there is. @returns what could be read */
async function tryAll(node: Awaited<ReturnType<typeof stranger>>['node'], victim: Cast) {
  const got: string[] = []
  const dial = () => node.dial(multiaddr(victim.host.addresses()[0]), { signal: AbortSignal.timeout(2_000) })
  await Promise.all(
    victim.host.libp2p.getProtocols().map(async (protocol) => {
      try {
        const stream: Stream = await (await dial()).newStream(protocol, { runOnLimitedConnection: true })
        // A ping to one protocol, to a channel a message: four bytes of length, a CBOR byte string.
        stream.send(Uint8Array.of(0, 0, 0, 28, 0x58, 26, ...new Uint8Array(26)))
        for await (const data of stream) got.push(`${protocol}: ${data.byteLength} bytes`)
      } catch {
        // Refused, as it should be.
      }
    }),
  )
  return got
}

/** Both members speak until each has heard the other, so that whoever listens would have heard, too. */
async function talk(a: Cast, b: Cast) {
  const heard = new Set<string>()
  const unsubscribe = [a, b].map(({ host }) => host.subscribe(topics.entries, (_, from) => heard.add(from)))
  await vi.waitFor(
    async () => {
      for (const { host } of [a, b]) await host.publish(topics.entries, new Uint8Array(8))
      expect(heard.size).toBe(2)
    },
    { timeout: 3_000 },
  )
  for (const end of unsubscribe) end()
}

test('a stranger with a wrong network key is refused at once and learns nothing', async () => {
  const [a] = await cluster(2)
  await a!.host.handle('/test/private/1', async () => {})
  const { node } = await stranger({ id: 'network', key: networkKey() })
  const startedAt = performance.now()
  await expect(node.dial(multiaddr(a!.host.addresses()[0]))).rejects.toThrow()
  // Not at the end of the time a handshake may take, 5 s.
  expect(performance.now() - startedAt).toBeLessThan(2_000)
  expect(a!.host.libp2p.getConnections()).toHaveLength(2)
})

test('a stranger with the right network key that is no member opens no protocol and hears no gossip', async () => {
  const key = networkKey()
  const [a, b] = await Promise.all([cast(key), cast(key)])
  introduce(a, b)
  await allUp(a.host, 1)
  let served = 0
  await a.host.handle('/test/private/1', async (channel) => {
    served++
    await channel.send('secret')
  })
  const { node, heard } = await stranger({ id: 'network', key })
  expect(await tryAll(node, a)).toEqual([])
  await talk(a, b)
  expect(heard).toEqual([])
  expect(served).toBe(0)
  expect(a.host.libp2p.getPeers().map(String)).toEqual([b.host.self])
})

test('an invitee reaches the admission desk and no other protocol, and hears no gossip', async () => {
  const [a, b] = await cluster(2)
  const key = networkKey()
  a!.keyring.addInvite('i1', key)
  await a!.host.handle('/test/private/1', async (channel) => channel.send('secret'))
  await a!.host.handleInvited('/test/desk/1', async (channel, inviteId) => {
    await channel.receive()
    await channel.send({ inviteId, peer: channel.peer })
  })
  const { node, heard } = await stranger({ id: 'invite:i1', key })
  const got = await tryAll(node, a!)
  expect(got).toEqual([expect.stringContaining('/test/desk/1')])
  await talk(a!, b!)
  expect(heard).toEqual([])
  expect(a!.host.connected()).toEqual([b!.host.self])
})

test('a member cannot use the desk by its network connection', async () => {
  const [a, b] = await cluster(2)
  await a!.host.handleInvited('/test/desk/1', async (channel) => channel.send('for invitees'))
  const channel = await b!.host.open(a!.host.self, '/test/desk/1')
  await channel.send('let me in').catch(() => {})
  await expect(channel.receive()).rejects.toMatchObject({ code: 'CHANNEL_BROKEN' })
})

test('an invitee whose invite ended is refused like anybody with a wrong key', async () => {
  const [a] = await cluster(2)
  const key = networkKey()
  a!.keyring.addInvite('i1', key)
  a!.keyring.removeInvite('i1')
  const { node } = await stranger({ id: 'invite:i1', key })
  await expect(node.dial(multiaddr(a!.host.addresses()[0]))).rejects.toThrow()
})

test('silent strangers in a crowd do not keep a member out for long', { timeout: 15_000 }, async () => {
  const key = networkKey()
  const [a, b] = await Promise.all([cast(key), cast(key)])
  const port = Number(/tcp\/(\d+)/.exec(a.host.addresses()[0]!)?.[1])
  const crowd: Socket[] = []
  for (let n = 0; n < 500; n++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    crowd.push(socket)
  }
  onTestFinished(() => {
    for (const socket of crowd) socket.destroy()
  })
  // Only the member dials: the way past the crowd is the one that counts.
  a.roster.put(b.host.self)
  b.roster.put(a.host.self, { addresses: a.host.addresses() })
  await allUp(a.host, 1)
  expect(a.host.connected()).toEqual([b.host.self])
})

test('a member that announces a frame larger than any window is cut off before it is buffered', async () => {
  const key = networkKey()
  const a = await cast(key)
  const cutOff = Promise.withResolvers<void>()
  const evil: StreamMuxerFactory = {
    protocol: '/yamux/1.0.0',
    createStreamMuxer(stream) {
      stream.addEventListener('close', () => cutOff.resolve())
      // Version 0, data, SYN, stream 1, 1 GiB.
      stream.send(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0x40, 0, 0, 0))
      return yamux()().createStreamMuxer(stream)
    },
  }
  const { node } = await stranger({ id: 'network', key }, [() => evil])
  a.roster.put(node.peerId.toString())
  const startedAt = performance.now()
  await node.dial(multiaddr(a.host.addresses()[0])).catch(() => {})
  await cutOff.promise
  // Without the guard the ping monitor would end it after 10 s.
  expect(performance.now() - startedAt).toBeLessThan(3_000)
  expect(a.host.libp2p.getConnections()).toEqual([])
})
