import { expect, it, vi } from 'vitest'
import { SENDING_MS, SENDING_TELL_INTERVAL_MS } from '../../../../cluster/links/limits.ts'
import { SENDING_PROTOCOL, SiteSenders } from '../../../../cluster/links/senders.ts'
import type { Host } from '../../../../cluster/network/host.ts'
import type { Channel } from '../../../../cluster/network/network.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { HandClock } from '../../../support/sites.ts'
import { cluster, runtime } from '../network/cast.ts'

/** Three hosts find each other, on a machine that may be busy. */
vi.setConfig({ testTimeout: 60_000 })
const SOON = { timeout: 30_000, interval: 300 }

/** Of two connections between the same two one ends at any moment. */
async function opened(from: Host, to: string): Promise<Channel> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await from.open(to, SENDING_PROTOCOL)
    } catch (error) {
      if (attempt === 5) throw error
    }
  }
}

/** Two at the hub, one at a branch. */
async function threeNodes() {
  const casts = await cluster(3)
  for (const { roster } of casts) {
    for (const [index, site] of ['hub', 'hub', 'branch'].entries())
      roster.put(casts[index]!.host.self, { site })
  }
  const clock = new HandClock()
  const senders = await Promise.all(
    casts.map(async ({ host: network, roster }) => {
      const one = new SiteSenders({ network, roster, clock, timers: runtime.timers, logger: silentLogger })
      await one.start()
      return one
    }),
  )
  return { casts, clock, senders: senders as [SiteSenders, SiteSenders, SiteSenders] }
}

it('tells the nodes of the own site who sends over a link, as long as somebody does', async () => {
  const { clock, senders } = await threeNodes()
  const [one, two, far] = senders
  expect(senders.map((each) => each.count('branch/hub'))).toEqual([1, 1, 1])
  // A word that is lost is said again.
  const heard =
    (by: SiteSenders, ...sending: SiteSenders[]) =>
    () => {
      clock.advance(SENDING_TELL_INTERVAL_MS)
      for (const each of sending) each.sends('branch/hub')
      return by.count('branch/hub')
    }
  await expect.poll(heard(two, one), SOON).toBe(2)
  expect([one, far].map((each) => each.count('branch/hub'))).toEqual([1, 1])
  expect(two.count('hub/port')).toBe(1)
  await expect.poll(heard(one, one, two), SOON).toBe(2)
  clock.advance(SENDING_MS + 1)
  expect([one, two].map((each) => each.count('branch/hub'))).toEqual([1, 1])
})

it('takes no word from another site, nor of links that are none of its own', async () => {
  const { casts, senders } = await threeNodes()
  const [one, two] = casts.map(({ host }) => host)
  const say = async (from: (typeof casts)[number]['host'], sending: unknown) => {
    const channel = await opened(from, one!.self)
    await channel.send({ sending })
    await channel.receive().catch(() => undefined)
  }
  await say(casts[2]!.host, 'branch/hub')
  await say(two!, 'branch/port')
  await say(two!, 'x'.repeat(200))
  expect(['branch/hub', 'branch/port'].map((link) => senders[0].count(link))).toEqual([1, 1])
  await say(two!, 'branch/hub')
  expect(senders[0].count('branch/hub')).toBe(2)
})
