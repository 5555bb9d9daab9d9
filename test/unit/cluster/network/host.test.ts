import { expect, test, vi } from 'vitest'
import { topicsOf } from '../../../../cluster/network/topics.ts'
import { CLUSTER, cast, cluster, introduce, networkKey } from './cast.ts'

const topics = topicsOf(CLUSTER)
const text = (message: string) => new TextEncoder().encode(message)

test('two members find each other and exchange messages on a channel in both directions', async () => {
  const [a, b] = await cluster(2)
  await b!.host.handle('/test/echo/1', async (channel) => {
    for (let message = await channel.receive(); message !== undefined; message = await channel.receive())
      await channel.send({ from: channel.peer, message })
  })
  const channel = await a!.host.open(b!.host.self, '/test/echo/1')
  await channel.send('one')
  await channel.send({ two: new Uint8Array([2]) })
  await channel.close()
  expect(await channel.receive()).toEqual({ from: a!.host.self, message: 'one' })
  expect(await channel.receive()).toEqual({ from: a!.host.self, message: { two: new Uint8Array([2]) } })
  expect(await channel.receive()).toBeUndefined()
})

test('a member hears the gossip of another, with its author', async () => {
  const [a, b] = await cluster(2)
  const heard: unknown[] = []
  b!.host.subscribe(topics.entries, (message, from) => heard.push([new TextDecoder().decode(message), from]))
  await vi.waitFor(async () => {
    await a!.host.publish(topics.entries, text('fresh'))
    expect(heard).toContainEqual(['fresh', a!.host.self])
  })
})

test('a member is connected again after its node restarts', async () => {
  const [a, b] = await cluster(2)
  const states: string[] = []
  a!.host.onPeer((peer, state) => states.push(`${state} ${peer === b!.host.self}`))
  await b!.host.stop()
  await expect.poll(() => a!.host.connected()).toEqual([])
  await b!.host.start()
  introduce(a!, b!)
  await expect.poll(() => a!.host.connected(), { timeout: 5_000 }).toEqual([b!.host.self])
  expect(states).toEqual(['down true', 'up true'])
})

test('the round trip to a member is known soon after it came up', async () => {
  const [a, b] = await cluster(2)
  await expect.poll(() => a!.host.rttMs(b!.host.self)).toBeLessThan(1_000)
})

test('an evicted member is cut off within a second and stays out', async () => {
  const [a, b] = await cluster(2)
  const evictedAt = performance.now()
  a!.roster.put(b!.host.self, { state: 'evicted' })
  await expect.poll(() => b!.host.connected(), { interval: 10 }).toEqual([])
  expect(performance.now() - evictedAt).toBeLessThan(1_000)
  expect(a!.host.connected()).toEqual([])
  await expect(b!.host.open(a!.host.self, '/test/any/1')).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  expect(a!.host.libp2p.getConnections()).toEqual([])
})

test('members that hang up again and again without a word are known, until one answers', {
  timeout: 40_000,
}, async () => {
  const [a, b] = await cluster(2)
  expect(b!.host.hungUpBy()).toEqual([])
  a!.roster.put(b!.host.self, { state: 'evicted' })
  await expect.poll(() => b!.host.hungUpBy(), { timeout: 15_000 }).toEqual([a!.host.self])
  expect(b!.host.refusedBy()).toEqual([])
  a!.roster.put(b!.host.self, { state: 'member' })
  await expect.poll(() => b!.host.hungUpBy(), { timeout: 15_000 }).toEqual([])
})

test('what an evicted member said is not delivered when another member still passes it on', async () => {
  const [a, b, c] = await cluster(3)
  const heard: string[] = []
  c!.host.subscribe(topics.hello, (message, from) => {
    heard.push(`${from === a!.host.self ? 'a' : 'b'} ${new TextDecoder().decode(message)}`)
  })
  b!.host.subscribe(topics.hello, () => {})
  await vi.waitFor(async () => {
    await a!.host.publish(topics.hello, text('before'))
    expect(heard).toContain('a before')
  })
  c!.roster.put(a!.host.self, { state: 'evicted' })
  await a!.host.publish(topics.hello, text('after'))
  await vi.waitFor(async () => {
    await b!.host.publish(topics.hello, text('marker'))
    expect(heard).toContain('b marker')
  })
  expect(heard).not.toContain('a after')
})

test('a channel to somebody who is not a member is refused before anything is dialled', async () => {
  const a = await cast(networkKey())
  const b = await cast(networkKey())
  await expect(a.host.open(b.host.self, '/test/any/1')).rejects.toMatchObject({ code: 'PEER_NOT_MEMBER' })
})

test('a member that cannot be reached is named with the reason', async () => {
  const [a, b] = await cluster(2)
  await b!.host.stop()
  await expect(a!.host.open(b!.host.self, '/test/any/1')).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    facts: { peer: b!.host.self },
  })
})

test('a protocol the other side does not speak is told apart from a member that is away', async () => {
  const [a, b] = await cluster(2)
  await expect(a!.host.open(b!.host.self, '/test/unheard-of/1')).rejects.toMatchObject({
    code: 'PROTOCOL_UNSUPPORTED',
  })
})

test('opening a channel can be abandoned', async () => {
  const [a, b] = await cluster(2)
  const reason = new Error('never mind')
  await expect(a!.host.open(b!.host.self, '/test/any/1', AbortSignal.abort(reason))).rejects.toBe(reason)
})

test('a port that is taken fails the start with its address', async () => {
  const a = await cast(networkKey())
  const taken = a.host.addresses()[0]!.replace(/\/p2p\/.*/, '')
  const { Host } = await import('../../../../cluster/network/host.ts')
  const { runtime, newIdentity, ListRoster } = await import('./cast.ts')
  const second = new Host(
    { clusterId: CLUSTER, listen: [taken] },
    { identity: await newIdentity(), keyring: a.keyring, roster: new ListRoster(), ...runtime },
  )
  await expect(second.start()).rejects.toMatchObject({ code: 'PORT_IN_USE', facts: { listen: [taken] } })
})
