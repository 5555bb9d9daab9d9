import { expect, test } from 'vitest'
import { topicsOf } from '../../../../cluster/network/topics.ts'
import { type Cast, CLUSTER, cast, cluster, introduce, networkKey } from './cast.ts'

const { entries } = topicsOf(CLUSTER)
const MESSAGES = 20

interface Inside {
  decodeRpc: (frame: unknown) => { messages: unknown[] }
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
}

/** What each of them heard, and how many copies of it came. */
function listen(all: readonly Cast[]) {
  const heard = all.map(() => new Set<number>())
  const copies = { all: 0 }
  for (const [n, { host }] of all.entries()) {
    host.subscribe(entries, (message) => heard[n]?.add(message[0] ?? -1))
    const inside = host.libp2p.services['pubsub'] as Inside
    const { decodeRpc } = inside
    inside.decodeRpc = (frame) => {
      const rpc = decodeRpc.call(inside, frame)
      copies.all += rpc.messages.length
      return rpc
    }
  }
  return { heard, copies }
}

/** Each knows that so many of those it is connected to listen. */
async function untilHeard(all: readonly Cast[], listeners: readonly number[]): Promise<void> {
  for (const [n, { host }] of all.entries()) {
    const inside = host.libp2p.services['pubsub'] as Inside
    await expect.poll(() => inside.topics.get(entries)?.size, { timeout: 5_000 }).toBe(listeners[n])
  }
}

async function say({ host }: Cast): Promise<void> {
  for (let n = 0; n < MESSAGES; n++) await host.publish(entries, new Uint8Array([n]))
}

test('what an author sends to everybody by itself nobody hands on', async () => {
  const all = await cluster(5)
  const { heard, copies } = listen(all)
  await untilHeard(all, [4, 4, 4, 4, 4])
  await say(all[0]!)
  await expect.poll(() => heard.map(({ size }) => size)).toEqual([0, ...Array(4).fill(MESSAGES)])
  // A copy more would have been on its way before what comes back now.
  await say(all[1]!)
  await expect.poll(() => heard[0]?.size).toBe(MESSAGES)
  expect(copies.all).toBeLessThanOrEqual(2 * 4 * MESSAGES)
})

test('who is not connected to an author hears of it from another', async () => {
  const key = networkKey()
  const all = [await cast(key), await cast(key), await cast(key)] as const
  const [a, b, c] = all
  // Members that have no address of each other.
  a.roster.put(c.host.self)
  c.roster.put(a.host.self)
  introduce(a, b)
  introduce(b, c)
  const { heard } = listen(all)
  await untilHeard(all, [1, 2, 1])
  await say(a)
  await expect.poll(() => heard[2]?.size).toBe(MESSAGES)
})
