import { expect, test } from 'vitest'
import { LEDGER_PROTOCOL } from '../../../../cluster/ledger/messages.ts'
import type { Channel } from '../../../../cluster/network/network.ts'
import { topicsOf } from '../../../../cluster/network/topics.ts'
import { CATALOG } from '../../../../src/journal/op.ts'
import { agree, armada, connect, type Ship } from './harbour.ts'
import { everything, tag, write } from './shipyard.ts'

const within = { timeout: 15_000, interval: 20 }

/** Three members, the last of them about to misbehave: its own replication is off. */
async function crew(): Promise<[Ship, Ship, Ship]> {
  const { ships } = await armada(3)
  const [a, b, bad] = ships as [Ship, Ship, Ship]
  await bad.replication.stop()
  connect(a, b)
  await expect.poll(() => agree(a, b), within).toBe(true)
  return [a, b, bad]
}

const lies: Record<string, unknown[]> = {
  'no message of the protocol': [{ is: 'surrender' }],
  'no object at all': [7],
  'a hello with fields too long': [{ is: 'hello', digest: 'x'.repeat(1_000), stateHash: 'y' }],
  'heads of feeds that are none': [
    { is: 'hello', digest: 'x', stateHash: 'y' },
    { is: 'heads', heads: [['__proto__', 1, 'z']] },
  ],
  'heads without end': [
    { is: 'hello', digest: 'x', stateHash: 'y' },
    { is: 'heads', heads: Array.from({ length: 10_001 }, (_, n) => [`authority@${n}`, 1, 'z']) },
  ],
  'heads at 2^53': [
    { is: 'hello', digest: 'x', stateHash: 'y' },
    { is: 'heads', heads: [['authority@x', 2 ** 53, 'z']] },
  ],
  'a page of junk': [
    { is: 'hello', digest: 'x', stateHash: 'y' },
    { is: 'heads', heads: [['authority@x', 2 ** 40, 'z']] },
    { is: 'page', blocks: Array.from({ length: 4_096 }, () => new Uint8Array(400)), last: false },
  ],
  'a page with a block out of bounds': [
    { is: 'hello', digest: 'x', stateHash: 'y' },
    { is: 'heads', heads: [['authority@x', 2, 'z']] },
    { is: 'page', blocks: [new Uint8Array(1_000_000)], last: false },
  ],
}

for (const [name, answers] of Object.entries(lies)) {
  test(`a member that answers with ${name} harms nobody, and the others agree`, async () => {
    const [a, b, bad] = await crew()
    let asked = 0
    await bad.host.libp2p.unhandle(LEDGER_PROTOCOL)
    await bad.host.handle(LEDGER_PROTOCOL, async (channel) => {
      asked++
      for (const answer of answers) {
        if ((await channel.receive()) === undefined) return
        await channel.send(answer)
      }
      await channel.receive()
    })
    connect(a, b, bad)
    await expect.poll(() => asked, within).toBeGreaterThan(0)
    await write(a, 3)
    await expect.poll(() => agree(a, b), within).toBe(true)
    expect(a.journal.status().parked.blocks).toBe(0)
  })
}

test('a member that sends the same page for ever is left after the first', async () => {
  const [a, b, bad] = await crew()
  const blocks = await everything(a)
  let pages = 0
  await bad.host.libp2p.unhandle(LEDGER_PROTOCOL)
  await bad.host.handle(LEDGER_PROTOCOL, async (channel) => {
    await converse(channel, 'hello', { is: 'hello', digest: 'x', stateHash: 'y' })
    await converse(channel, 'heads', { is: 'heads', heads: [[`authority@${b.host.self}`, 2 ** 40, 'z']] })
    for (let message = await channel.receive(); message !== undefined; message = await channel.receive()) {
      pages++
      await channel.send({ is: 'page', blocks, last: false })
    }
  })
  connect(a, b, bad)
  await expect.poll(() => pages, within).toBeGreaterThan(0)
  await write(a, 3)
  await expect.poll(() => agree(a, b), within).toBe(true)
  // Two members, each a page and the one it had asked for ahead, and no more until the rest is over.
  expect(pages).toBeLessThanOrEqual(8)
})

async function converse(channel: Channel, expected: string, answer: unknown): Promise<void> {
  const question = (await channel.receive()) as { is: string } | undefined
  if (question?.is === expected) await channel.send(answer)
}

test('a member that asks for anything gets what there is, or is cut off', async () => {
  const [a, , bad] = await crew()
  connect(a, bad)
  await expect.poll(() => bad.host.connected(), within).toContain(a.host.self)
  const ask = async (question: unknown) => {
    const channel = await bad.host.open(a.host.self, LEDGER_PROTOCOL)
    try {
      await channel.send(question)
      return await channel.receive()
    } catch (error) {
      return (error as { code?: string }).code
    } finally {
      await channel.close()
    }
  }
  const nothing = { is: 'page', blocks: [], last: true }
  expect(await ask({ is: 'want', ranges: [{ feed: 'authority@nobody', from: 1, to: 2 ** 40 }] })).toEqual(
    nothing,
  )
  expect(await ask({ is: 'want', ranges: [{ feed: `authority@${a.host.self}`, from: 9, to: 2 }] })).toEqual(
    nothing,
  )
  expect(await ask({ is: 'more' })).toEqual(nothing)
  expect(await ask({ is: 'want', ranges: [] })).toBe('CHANNEL_BROKEN')
  expect(await ask({ is: 'want', ranges: [{ feed: 't/users', from: 1, to: 2 }] })).toBe('CHANNEL_BROKEN')
  expect(await ask({ is: 'want', ranges: [{ feed: '\u0000@', from: 1, to: 2 }] })).toBe('CHANNEL_BROKEN')
})

test('a member that opens conversations without end gets no more than its share', async () => {
  const [a, b, bad] = await crew()
  connect(a, b, bad)
  await expect.poll(() => bad.host.connected(), within).toContain(a.host.self)
  const channels = await Promise.all(
    Array.from({ length: 30 }, () => bad.host.open(a.host.self, LEDGER_PROTOCOL)),
  )
  const answers = await Promise.all(
    channels.map(async (channel) => {
      try {
        await channel.send({ is: 'hello', digest: 'x', stateHash: 'y' })
        return await channel.receive()
      } catch {
        return undefined
      }
    }),
  )
  expect(answers.filter((answer) => answer !== undefined).length).toBeLessThanOrEqual(8)
  await write(a, 2)
  await expect.poll(() => agree(a, b), within).toBe(true)
  for (const channel of channels) channel.abort(new Error('done'))
})

test('junk on the gossip topic is dropped, and entries go on arriving', async () => {
  const [a, b, bad] = await crew()
  connect(a, b, bad)
  await expect.poll(() => bad.host.connected(), within).toHaveLength(2)
  const { entries } = topicsOf(a.journal.cluster)
  bad.host.subscribe(entries, () => {})
  await expect
    .poll(async () => {
      for (const junk of [
        new Uint8Array(),
        new Uint8Array(100_000),
        new Uint8Array([0x81, 0x41, 0]),
        new Uint8Array([0xa0]),
      ])
        await bad.host.publish(entries, junk)
      return a.journal.status().refused
    }, within)
    .toMatchObject({ BLOCK_INVALID: expect.any(Number) })
  await write(a, 3)
  await expect.poll(() => agree(a, b), within).toBe(true)
})

test('replication that is stopped says and hears nothing, and starts again', async () => {
  const { ships } = await armada(2)
  const [a, b] = ships as [Ship, Ship]
  connect(a, b)
  await expect.poll(() => agree(a, b), within).toBe(true)
  await b.replication.stop()
  await a.journal.commit(CATALOG, () => [tag('quiet')])
  expect(agree(a, b)).toBe(false)
  await b.replication.start()
  await expect.poll(() => agree(a, b), within).toBe(true)
})
