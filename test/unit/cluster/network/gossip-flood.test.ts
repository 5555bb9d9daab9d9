import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Stream } from '@libp2p/interface'
import { encode as prefix } from 'it-length-prefixed'
import { expect, test, vi } from 'vitest'
import {
  GOSSIP_BURST_BYTES,
  GOSSIP_FRAME_BYTES_MAX,
  GOSSIP_MESSAGE_BYTES_MAX,
} from '../../../../cluster/limits.ts'
import { GossipMeter } from '../../../../cluster/network/gossip-meter.ts'
import { topicsOf } from '../../../../cluster/network/topics.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { type Cast, CLUSTER, cluster, runtime } from './cast.ts'

const topics = topicsOf(CLUSTER)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** CVE-2026-46679: an RPC of nothing but SUBSCRIBEs, each to a topic of its own, as many as fit. */
function subscriptions(bytes: number): Uint8Array {
  const frame = Buffer.alloc(bytes - (bytes % 12))
  for (let at = 0, n = 0; at < frame.length; at += 12, n++) {
    // RPC.subscriptions (field 1) = { subscribe: true, topic: six letters }
    frame.set([0x0a, 10, 0x08, 1, 0x12, 6], at)
    frame.write(n.toString(36).padStart(6, '0'), at + 6, 'latin1')
  }
  return frame
}

/** A protobuf field of bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of((number << 3) | 2), prefix.single(bytes).subarray()])
}

async function gossipStream(from: Cast, to: Cast) {
  const connection = from.host.libp2p
    .getConnections()
    .find(({ remotePeer }) => remotePeer.toString() === to.host.self)
  return connection!.newStream(['/meshsub/1.2.0'])
}

async function idle(stream: Stream): Promise<void> {
  await new Promise((resolve, reject) => {
    stream.addEventListener('idle', resolve, { once: true })
    stream.addEventListener('close', () => reject(new Error('the stream was closed')), { once: true })
  })
}

/** Both directions of gossip work. */
async function stillTalk(a: Cast, b: Cast): Promise<void> {
  const heard = new Set<string>()
  const ends = [a, b].map(({ host }) => host.subscribe(topics.heads, (_, from) => heard.add(from)))
  await vi.waitFor(
    async () => {
      for (const { host } of [a, b]) await host.publish(topics.heads, new Uint8Array(1))
      expect(heard).toContain(a.host.self)
      expect(heard).toContain(b.host.self)
    },
    { timeout: 8_000 },
  )
  for (const end of ends) end()
}

test('frames of 4 MB of subscriptions leave the memory bounded and the node talking', {
  timeout: 30_000,
}, async () => {
  const said: string[] = []
  const log = { ...silentLogger, warn: (_facts: object, message: string) => void said.push(message) }
  const [victim, evil, friend] = await cluster(3, log)
  await Promise.all([stillTalk(victim!, friend!), stillTalk(victim!, evil!)])
  const stream = await gossipStream(evil!, victim!)
  const frame = prefix.single(subscriptions(GOSSIP_FRAME_BYTES_MAX - 64))
  const before = heapBytes()
  for (let n = 0; n < 10; n++) {
    stream.send(frame.sublist())
    if (stream.writeBufferLength > 0) await idle(stream)
  }
  await stillTalk(victim!, friend!)
  expect(heapBytes() - before).toBeLessThan(64 * 1024 * 1024)
  expect(victim!.host.connected()).toContain(friend!.host.self)
  await vi.waitFor(() => expect(victim!.host.gossipRefusals()).toEqual({ GOSSIP_FRAME_REFUSED: 10 }))
  expect(said.filter((message) => message.includes('gossip is thrown away'))).toHaveLength(4)
})

test('a frame larger than any costs its sender the stream, and gossip with it is mended', {
  timeout: 30_000,
}, async () => {
  const [victim, evil] = await cluster(2)
  await stillTalk(victim!, evil!)
  const stream = await gossipStream(evil!, victim!)
  stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3))
  await vi.waitFor(() => expect(victim!.host.gossipRefusals()).toEqual({ GOSSIP_FRAME_TOO_LARGE: 1 }))
  await stillTalk(victim!, evil!)
})

test('a PRUNE that asks for ages of back-off does not stop gossip for the others', async () => {
  const [victim, evil, friend] = await cluster(3)
  await stillTalk(victim!, friend!)
  const stream = await gossipStream(evil!, victim!)
  const topic = Buffer.from(topics.heads)
  // PRUNE { topic, backoff: 2^64 - 1 } in control (field 3), prune (field 4).
  const prune = Buffer.concat([
    field(1, topic),
    Uint8Array.of(0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
  ])
  const control = field(4, prune)
  stream.send(prefix.single(field(3, control)))
  await stillTalk(victim!, friend!)
})

test('a message too large to gossip is refused at its author, one outside the topics too', async () => {
  const [a] = await cluster(1)
  await expect(
    a!.host.publish(topics.entries, new Uint8Array(GOSSIP_MESSAGE_BYTES_MAX + 1)),
  ).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  await expect(a!.host.publish('/elsewhere', new Uint8Array(1))).rejects.toMatchObject({
    code: 'TOPIC_UNKNOWN',
  })
  expect(() => a!.host.subscribe('/elsewhere', () => {})).toThrow(
    expect.objectContaining({ code: 'TOPIC_UNKNOWN' }),
  )
})

test('a receiver that fails does not keep the others from hearing', async () => {
  const [a, b] = await cluster(2)
  b!.host.subscribe(topics.hello, () => {
    throw new Error('a bug')
  })
  let heard = 0
  b!.host.subscribe(topics.hello, () => heard++)
  await vi.waitFor(async () => {
    await a!.host.publish(topics.hello, new Uint8Array(1))
    expect(heard).toBeGreaterThan(0)
  })
})

test('a member may burst, then is read at the rate, whatever number of streams it opens', () => {
  let now = 0
  const meter = new GossipMeter({ ...runtime.clock, monotonic: () => now }, runtime.timers, 1_000, 5_000)
  expect(meter.spend('a', 5_000)).toBe(0)
  expect(meter.spend('a', 1_000)).toBe(1_000)
  expect(meter.spend('b', 1_000)).toBe(0)
  now = 1_000
  expect(meter.spend('a', 500)).toBe(500)
  now = 100_000
  expect(meter.spend('a', 5_001)).toBe(1)
})

test('more than the burst of gossip arrives all the same, only later', { timeout: 30_000 }, async () => {
  const [a, b] = await cluster(2)
  const size = 150 * 1024
  const count = Math.ceil((GOSSIP_BURST_BYTES * 1.2) / size)
  const heard = new Set<number>()
  b!.host.subscribe(topics.entries, (message) => heard.add(Buffer.from(message).readUInt32BE(0)))
  await stillTalk(a!, b!)
  for (let n = 0; n < count; n++) {
    const message = Buffer.alloc(size)
    message.writeUInt32BE(n)
    await a!.host.publish(topics.entries, message)
    // As the ledger would: not faster than it is taken.
    await vi.waitFor(() => expect(heard.size).toBeGreaterThanOrEqual(n - 40), { timeout: 10_000 })
  }
  await expect.poll(() => heard.size, { timeout: 10_000 }).toBe(count)
})
