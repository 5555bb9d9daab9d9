import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { FORMER_BYTES_MAX } from '../../../../cluster/limits.ts'
import { WORD_PROTOCOL } from '../../../../cluster/membership/word.ts'
import { StreamChannel } from '../../../../cluster/network/channel.ts'
import type { WireKey } from '../../../../cluster/network/keyring.ts'
import { KeyringProtector } from '../../../../cluster/network/keyring-protector.ts'
import { wire } from '../../../../cluster/network/libp2p-node.ts'
import { AUTHORITY } from '../../../../src/journal/op.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'
import { everything, fleet, type Site, user, write } from '../ledger/shipyard.ts'
import { connect, evict, type Node, stateAt, WIRE_KEY } from './far-side.ts'

const POLL = { timeout: 10_000, interval: 20 }

/** Everything one site holds reaches another, as over a link that is whole. */
async function carry(from: Site, ...to: readonly Site[]): Promise<void> {
  for (const site of to) await site.journal.take(await everything(from), from.identity.id)
}

const names = async (site: Site): Promise<string[]> => {
  const found: string[] = []
  for await (const { row } of site.journal.tables.list('users')) found.push(row.name)
  return found.sort()
}

test('a node that was cut off while it was evicted hears of it when it is back, and of nothing later', async () => {
  const { plan, founder, others } = await fleet(2)
  const [shop, witness] = others as [Site, Site]
  await founder.journal.commit(AUTHORITY, () => [user('before')])
  await evict(founder, shop)
  await founder.journal.commit(AUTHORITY, () => [user('after')])
  await write(founder, 3, 'catalog')
  await carry(founder, witness)
  const [a, b, c] = await connect(plan, founder, witness, shop)
  await expect.poll(() => stateAt(shop, shop), POLL).toBe('evicted')
  expect(await names(shop)).toEqual(['before'])
  expect(Object.keys(shop.journal.frontier()).filter((feed) => !feed.startsWith('authority@'))).toEqual([])
  expect(c!.host.connected()).toEqual([])
  expect([a!.host.connected(), b!.host.connected()]).toEqual([[witness.identity.id], [founder.identity.id]])
  expect(c!.putOut).toEqual([])
})

test('one that was evicted as compromised is told that it was, and handed no record at all', async () => {
  const { plan, founder, others } = await fleet(1)
  const [shop] = others as [Site]
  await founder.journal.commit(AUTHORITY, () => [user('new-password')])
  await evict(founder, shop, true)
  // What it wrote by itself meanwhile is not asked for, either.
  await shop.journal.commit(AUTHORITY, () => [user('backdoor')])
  const before = shop.journal.frontier()
  const held = founder.journal.frontier()
  const [, there] = await connect(plan, founder, shop)
  await expect.poll(() => there!.putOut.length, POLL).toBeGreaterThan(0)
  expect(there!.putOut[0]).toMatchObject({ author: founder.identity.id, compromised: true, reason: 'lost' })
  expect(shop.journal.frontier()).toEqual(before)
  expect(founder.journal.frontier()).toEqual(held)
  expect(await names(founder)).toEqual(['new-password'])
})

test('halves that evicted all of each other agree once they meet: who was let in by whom decides', async () => {
  const { plan, founder, others } = await fleet(3)
  const [second, third, fourth] = others as [Site, Site, Site]
  for (const far of [third, fourth]) await evict(founder, far)
  for (const far of [founder, second]) await evict(third, far)
  await carry(founder, second)
  await carry(third, fourth)
  expect([stateAt(second, third), stateAt(third, second)]).toEqual(['evicted', 'evicted'])
  const sites = [founder, second, third, fourth]
  await connect(plan, ...sites)
  const judgement = (at: Site) => sites.map((of) => stateAt(at, of)).join(' ')
  const survivors = ['member member evicted evicted', 'member member evicted evicted']
  await expect.poll(() => [founder, second].map(judgement), POLL).toEqual(survivors)
  // The others know it of themselves, which is all they are told.
  await expect
    .poll(() => [stateAt(third, third), stateAt(fourth, fourth)], POLL)
    .toEqual(['evicted', 'evicted'])
  // Those that stay have what the others decided meanwhile, and hold the same.
  await expect.poll(() => founder.journal.stateHash() === second.journal.stateHash(), POLL).toBe(true)
  expect(Object.keys(founder.journal.frontier())).toContain(`authority@${third.identity.id}`)
})

test('a node that a removed member put out brings the proof of that removal, and is let in again', async () => {
  const { plan, founder, others } = await fleet(3)
  const [junior, witness, shop] = others as [Site, Site, Site]
  await evict(junior, shop)
  await carry(junior, witness)
  await evict(founder, junior)
  await carry(founder, shop)
  // The founder, who could tell, is down.
  const [w, s] = await connect(plan, witness, shop)
  await expect.poll(() => stateAt(witness, shop), POLL).toBe('member')
  expect([stateAt(witness, junior), stateAt(shop, junior), stateAt(shop, shop)]).toEqual([
    'evicted',
    'evicted',
    'member',
  ])
  await expect.poll(() => w!.host.connected(), { ...POLL, timeout: 20_000 }).toEqual([shop.identity.id])
  await expect.poll(() => witness.journal.stateHash() === shop.journal.stateHash(), POLL).toBe(true)
  expect(s!.word.heldEvictedBy()).toEqual([])
}, 30_000)

test('a word that the records contradict is not believed, but shown', async () => {
  const { plan, founder, others } = await fleet(3)
  const [junior, witness, shop] = others as [Site, Site, Site]
  await evict(junior, shop, true)
  await carry(junior, witness)
  await evict(founder, junior)
  await carry(founder, shop)
  const [, s] = await connect(plan, witness, shop)
  await expect
    .poll(() => s!.word.heldEvictedBy(), POLL)
    .toEqual([
      {
        by: witness.identity.id,
        held: expect.objectContaining({ author: junior.identity.id, compromised: true }),
      },
    ])
  expect(s!.putOut).toEqual([])
  expect(stateAt(shop, shop)).toBe('member')
})

/** A program that is not ours, with the node's own key and the network's: dials the member and speaks as it likes. */
async function intruder(as: Site, at: Node): Promise<Connection> {
  const key: WireKey = { id: 'network', key: WIRE_KEY }
  const protector = new KeyringProtector({ outbound: () => key, inbound: () => [key] }, systemRandom)
  const node = await createLibp2p({
    ...wire(protector),
    privateKey: as.identity.privateKey,
    connectionMonitor: { enabled: false },
  })
  onTestFinished(() => node.stop())
  return node.dial(multiaddr(at.host.addresses()[0]))
}

const limited = { runOnLimitedConnection: true }

test('the connection of a node that is out carries no protocol but the word', async () => {
  const { plan, founder, others } = await fleet(1)
  const [shop] = others as [Site]
  await evict(founder, shop)
  const [a] = await connect(plan, founder)
  const connection = await intruder(shop, a!)
  const refused: string[] = []
  for (const protocol of a!.host.libp2p.getProtocols()) {
    try {
      const stream = await connection.newStream(protocol, limited)
      // A ping to one protocol, to a channel a message.
      stream.send(Uint8Array.of(0, 0, 0, 28, 0x58, 26, ...new Uint8Array(26)))
      let bytes = 0
      for await (const data of stream) bytes += data.byteLength
      if (bytes === 0) refused.push(protocol)
    } catch {
      refused.push(protocol)
    }
  }
  // What is no hello is not answered, either.
  expect(refused.sort()).toEqual(a!.host.libp2p.getProtocols().sort())
  expect(refused).toContain('/flotilla/ledger/1')
  // It came in once; for the next time it has to wait.
  const again = await intruder(shop, a!).catch(() => undefined)
  await expect.poll(() => again?.status ?? 'refused', POLL).not.toBe('open')
})

test('a node that is out and talks without end is cut off, and none of it is kept', async () => {
  const { plan, founder, others } = await fleet(1)
  const [shop] = others as [Site]
  await evict(founder, shop)
  const before = founder.journal.frontier()
  const [a] = await connect(plan, founder)
  const connection = await intruder(shop, a!)
  const channel = new StreamChannel(await connection.newStream(WORD_PROTOCOL, limited), a!.host.self)
  await channel.send({ is: 'hello', held: null, heads: [] })
  const blocks = Array.from({ length: 2 }, () => new Uint8Array(100_000))
  let bytes = 0
  const flood = async () => {
    for (;;) {
      await channel.send({ is: 'entries', blocks, last: false, more: false })
      bytes += 200_000
    }
  }
  await expect(flood()).rejects.toMatchObject({ code: 'CHANNEL_BROKEN' })
  // As much as is listened to, and what one window of the stream held beyond it.
  expect(bytes).toBeLessThan(4 * FORMER_BYTES_MAX)
  expect(founder.journal.frontier()).toEqual(before)
})

test('of records that are no decisions nothing is taken in from a node that is out', async () => {
  const { plan, founder, others } = await fleet(1)
  const [shop] = others as [Site]
  await write(shop, 2)
  await evict(founder, shop)
  const [a] = await connect(plan, founder)
  const connection = await intruder(shop, a!)
  const channel = new StreamChannel(await connection.newStream(WORD_PROTOCOL, limited), a!.host.self)
  await channel.send({ is: 'hello', held: null, heads: [] })
  await channel.receive()
  await channel.send({
    is: 'entries',
    blocks: [...shop.blocks, Uint8Array.of(1, 2, 3)],
    last: true,
    more: false,
  })
  expect(await channel.receive()).toMatchObject({ is: 'entries', last: true })
  await channel.close()
  await expect.poll(() => connection.status, POLL).toBe('closed')
  expect(Object.keys(founder.journal.frontier())).toEqual([`authority@${founder.identity.id}`])
})
