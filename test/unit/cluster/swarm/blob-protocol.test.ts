import { describe, expect, it } from 'vitest'
import { BLOB_PROTOCOL } from '../../../../cluster/swarm/blob-protocol.ts'
import { FRAME_BYTES } from '../../../../cluster/swarm/limits.ts'
import { type Cargo, cargo, fleet, KiB, load, MiB, pull, type Ship, sha256 } from './fleet.ts'

async function line(from: Ship, to: Ship) {
  const channel = await from.host.open(to.host.self, BLOB_PROTOCOL)
  return {
    ask: async (message: unknown) => {
      await channel.send(message)
      return channel.receive()
    },
    receive: () => channel.receive(),
    close: () => channel.close(),
  }
}

async function two(goods: Cargo): Promise<[Ship, Ship]> {
  const [a, b] = await fleet({}, {})
  await load(a!, goods)
  return [a!, b!]
}

describe('the blob protocol', () => {
  it('answers several questions on one channel', async () => {
    const goods = cargo(100 * KiB)
    const [a, b] = await two(goods)
    const { ask, receive, close } = await line(b, a)
    const { digest } = goods
    expect(await ask({ ask: 'have', digest })).toEqual({ have: 'whole', size: goods.bytes.length })
    expect(await ask({ ask: 'have', digest: cargo(1).digest })).toEqual({ have: 'none' })
    expect(await ask({ ask: 'read', digest, first: 10, last: 10 + FRAME_BYTES })).toEqual({
      bytes: FRAME_BYTES + 1,
    })
    expect(goods.bytes.subarray(10, 10 + FRAME_BYTES).equals((await receive()) as Uint8Array)).toBe(true)
    expect(await receive()).toHaveLength(1)
    await close()
  })

  it('tells the infohash of a large blob once its pieces are hashed', async () => {
    const goods = cargo(MiB)
    const [a, b] = await two(goods)
    const { ask, receive, close } = await line(b, a)
    const told = (await ask({ ask: 'pieces', digest: goods.digest })) as { infoHash: string; bytes: number }
    expect(told).toMatchObject({ size: goods.bytes.length, bytes: 80 })
    expect(await receive()).toHaveLength(80)
    expect(await ask({ ask: 'have', digest: goods.digest })).toEqual({
      have: 'whole',
      size: goods.bytes.length,
      infoHash: told.infoHash,
    })
    await close()
  })

  it.each([
    ['beyond its end', { first: 0, last: 1000 }],
    ['backwards', { first: 5, last: 4 }],
  ])('gives no range %s', async (_, range) => {
    const goods = cargo(1000)
    const [a, b] = await two(goods)
    const { ask } = await line(b, a)
    expect(await ask({ ask: 'read', digest: goods.digest, ...range })).toHaveProperty('refused')
  })

  it.each([
    ['no digest', { ask: 'have', digest: '../../etc/passwd' }],
    ['another question', { ask: 'delete', digest: cargo(1).digest }],
    ['more than was asked for', { ask: 'have', digest: cargo(1).digest, more: true }],
    ['a number that is none', { ask: 'read', digest: cargo(1).digest, first: Number.NaN, last: 2 }],
    ['a negative number', { ask: 'read', digest: cargo(1).digest, first: -1, last: 2 }],
    ['text', 'have'],
    ['nothing', null],
    ['a deep list', JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`)],
  ])('breaks off at %s, and the node serves on', async (_, message) => {
    const goods = cargo(3000)
    const [a, b] = await two(goods)
    const { ask } = await line(b, a)
    await expect(ask(message)).rejects.toThrow('channel')
    expect(sha256(await pull(b, goods.digest))).toBe(goods.digest)
  })
})
