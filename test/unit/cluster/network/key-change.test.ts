import { expect, test } from 'vitest'
import { cast, networkKey } from './cast.ts'

/** Two hosts of which only the first knows where the other is, so that it alone dials. */
async function oneWay(theirs: Uint8Array, ours: readonly Uint8Array[]) {
  const [near, far] = [await cast(ours[0] as Uint8Array), await cast(theirs)]
  near.keyring.replace(ours)
  far.roster.put(near.host.self)
  near.roster.put(far.host.self, { addresses: far.host.addresses() })
  return { near, far }
}

test('a member that was away while the key was changed is reached by the key it knows', async () => {
  const [older, old, fresh] = [networkKey(), networkKey(), networkKey()]
  for (const known of [older, old, fresh]) {
    const { near, far } = await oneWay(known, [fresh, old, older])
    await expect.poll(() => near.host.connected(), { timeout: 10_000 }).toEqual([far.host.self])
    expect(near.host.refusedBy()).toEqual([])
  }
})

test('a node whose every key is refused knows by whom, until it has the right one', {
  timeout: 40_000,
}, async () => {
  const [old, fresh] = [networkKey(), networkKey()]
  const { near, far } = await oneWay(fresh, [old])
  await expect.poll(() => near.host.refusedBy(), { timeout: 10_000 }).toEqual([far.host.self])
  expect(near.host.connected()).toEqual([])
  near.keyring.replace([fresh, old])
  await expect.poll(() => near.host.connected(), { timeout: 30_000 }).toEqual([far.host.self])
  expect(near.host.refusedBy()).toEqual([])
})
