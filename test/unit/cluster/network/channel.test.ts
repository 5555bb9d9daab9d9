import type { Stream } from '@libp2p/interface'
import { encode } from 'cborg'
import { expect, onTestFinished, test } from 'vitest'
import { CHANNEL_MESSAGE_BYTES_MAX, STREAM_WINDOW_BYTES_MAX } from '../../../../cluster/limits.ts'
import type { Channel } from '../../../../cluster/network/network.ts'
import { type Cast, cluster } from './cast.ts'

const PROTOCOL = '/test/channel/1'

/** A channel between two members: this end, and the other end, whose handler lasts as long as the test. */
async function channelBetween(a: Cast, b: Cast, protocol = PROTOCOL) {
  const far = Promise.withResolvers<Channel>()
  const over = Promise.withResolvers<void>()
  onTestFinished(() => over.resolve())
  await b.host.handle(protocol, (channel) => {
    far.resolve(channel)
    return over.promise
  })
  return { near: await a.host.open(b.host.self, protocol), far: far.promise }
}

/** A stream to `b` with no channel on this side: what a broken or hostile member writes. */
async function rawStream(a: Cast, b: Cast): Promise<Stream> {
  const connection = a.host.libp2p
    .getConnections()
    .find(({ remotePeer }) => remotePeer.toString() === b.host.self)
  return connection!.newStream([PROTOCOL])
}

test('a message as large as allowed arrives whole', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  const body = new Uint8Array(CHANNEL_MESSAGE_BYTES_MAX - 16).fill(7)
  const sent = near.send(body)
  const received = await (await far).receive()
  expect(Buffer.compare(received as Uint8Array, body)).toBe(0)
  await sent
})

test('a larger message is refused by the sender and the channel goes on', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  await expect(near.send(new Uint8Array(CHANNEL_MESSAGE_BYTES_MAX + 1))).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
  })
  await near.send('small')
  expect(await (await far).receive()).toBe('small')
})

test('a member that announces too large a message loses that channel and nothing else', async () => {
  const [a, b] = await cluster(2)
  const received = Promise.withResolvers<unknown>()
  await b!.host.handle(PROTOCOL, (channel) => channel.receive().then(received.resolve, received.reject))
  const { near, far } = await channelBetween(a!, b!, '/test/other/1')
  const stream = await rawStream(a!, b!)
  const closed = new Promise<string>((resolve) => {
    stream.addEventListener('close', () => resolve(stream.status))
  })
  stream.send(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0))
  await expect(received.promise).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  expect(await closed).toBe('reset')
  await near.send('still here')
  expect(await (await far).receive()).toBe('still here')
  expect(b!.host.connected()).toEqual([a!.host.self])
})

test('what is no CBOR, or nested without end, breaks the channel with a name for it', async () => {
  const [a, b] = await cluster(2)
  const faults: unknown[] = []
  await b!.host.handle(PROTOCOL, async (channel) => {
    await channel.receive().catch((error: unknown) => faults.push(error))
  })
  for (const body of [Uint8Array.of(0xff), new Uint8Array(1_000_000).fill(0x81)]) {
    const stream = await rawStream(a!, b!)
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, body.length)
    stream.send(length)
    stream.send(body)
  }
  await expect.poll(() => faults.length).toBe(2)
  for (const fault of faults) expect(fault).toMatchObject({ code: 'MESSAGE_MALFORMED' })
})

test('a key named __proto__ stays a key', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  await near.send(JSON.parse('{"__proto__": {"admin": true}}'))
  const message = (await (await far).receive()) as Record<string, unknown>
  expect(Object.hasOwn(message, '__proto__')).toBe(true)
  expect(message['admin']).toBeUndefined()
})

test('a sender waits for a receiver that does not read', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  const page = new Uint8Array(512 * 1024)
  let sent = 0
  const sending = (async () => {
    for (; sent < 64; sent++) await near.send(page)
    await near.close()
  })()
  await far
  // Nothing tells when a sender has come to a halt, so: it stays where it is for a while.
  let before = -1
  await expect
    .poll(() => [before, (before = sent)], { interval: 200 })
    .toSatisfy(([earlier, now]: [number, number]) => earlier === now && now > 0)
  const held = sent * page.length
  expect(held).toBeLessThan(3 * STREAM_WINDOW_BYTES_MAX)
  let received = 0
  while ((await (await far).receive()) !== undefined) received++
  await sending
  expect(received).toBe(64)
})

test('messages sent before an orderly end are read after it, then the end', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  for (let n = 0; n < 100; n++) await near.send(n)
  await near.close()
  const channel = await far
  for (let n = 0; n < 100; n++) expect(await channel.receive()).toBe(n)
  expect(await channel.receive()).toBeUndefined()
  expect(await channel.receive()).toBeUndefined()
})

test('a connection that breaks is not taken for an orderly end', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  await near.send('first')
  const channel = await far
  expect(await channel.receive()).toBe('first')
  const rest = channel.receive()
  for (const connection of a!.host.libp2p.getConnections()) connection.abort(new Error('pulled the plug'))
  await expect(rest).rejects.toMatchObject({ code: 'CHANNEL_BROKEN' })
  await expect(near.send('more')).rejects.toMatchObject({ code: 'CHANNEL_BROKEN' })
})

test('half a message before the end is a broken channel', async () => {
  const [a, b] = await cluster(2)
  const received = Promise.withResolvers<unknown>()
  await b!.host.handle(PROTOCOL, (channel) => channel.receive().then(received.resolve, received.reject))
  const stream = await rawStream(a!, b!)
  const body = encode('a whole message')
  stream.send(Uint8Array.of(0, 0, 0, body.length))
  stream.send(body.subarray(0, 3))
  await stream.close()
  await expect(received.promise).rejects.toMatchObject({ code: 'CHANNEL_BROKEN' })
})

test('waiting for a message can be abandoned, and the message is there for the next reader', async () => {
  const [a, b] = await cluster(2)
  const { near, far } = await channelBetween(a!, b!)
  await near.send('one')
  const channel = await far
  expect(await channel.receive()).toBe('one')
  const patience = new AbortController()
  const abandoned = channel.receive(patience.signal)
  const reason = new Error('enough')
  patience.abort(reason)
  await expect(abandoned).rejects.toBe(reason)
  await near.send('two')
  expect(await channel.receive()).toBe('two')
})

test('a handler that fails resets the channel, so that the caller is not left waiting', async () => {
  const [a, b] = await cluster(2)
  await b!.host.handle(PROTOCOL, async (channel) => {
    await channel.receive()
    throw new Error('a bug')
  })
  const channel = await a!.host.open(b!.host.self, PROTOCOL)
  await channel.send('question')
  await expect(channel.receive()).rejects.toMatchObject({ code: 'CHANNEL_BROKEN' })
})
