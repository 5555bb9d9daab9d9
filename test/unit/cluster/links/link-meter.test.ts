import { afterEach, beforeEach, expect, test } from 'vitest'
import { TELL_BYTES, TELL_INTERVAL_MS } from '../../../../cluster/links/limits.ts'
import { LinkMeter } from '../../../../cluster/links/link-meter.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { type Site, Sites } from '../../../support/sites.ts'
import { HandTime } from './hand-time.ts'

const LINK = 'hq/shop'
let time: HandTime
let sites: Sites
let east: Site
let west: Site

beforeEach(async () => {
  time = new HandTime()
  sites = new Sites(time.clock)
  east = await sites.found()
  west = await sites.admit(east)
})
afterEach(() => sites.close())

const parts = (journal: Site) => ({
  journal,
  clock: time.clock,
  timers: time.timers,
  logger: silentLogger,
})

async function meter(site: Site): Promise<LinkMeter> {
  const one = new LinkMeter(parts(site))
  await one.start()
  return one
}

test('what several nodes count adds up at each of them, both ways, every byte once', async () => {
  const [a, b] = [await meter(east), await meter(west)]
  a.count(LINK, 'sent', 100)
  b.count(LINK, 'received', 100)
  b.count(LINK, 'sent', 7)
  expect([a.used(LINK), b.used(LINK)]).toEqual([100, 100])
  await Promise.all([a.stop(), b.stop()])
  await east.learn(west)
  await west.learn(east)
  for (const site of [east, west]) expect((await meter(site)).used(LINK)).toBe(107)
})

test('what one end did not live to tell the other end has counted', async () => {
  const b = await meter(west)
  b.count(LINK, 'received', 100)
  await b.stop()
  await east.learn(west)
  expect((await meter(east)).used(LINK)).toBe(100)
})

test('a count survives a restart, and goes on', async () => {
  const first = await meter(east)
  first.count(LINK, 'sent', 100)
  await first.stop()
  const second = await meter(east)
  second.count(LINK, 'sent', 5)
  expect(second.used(LINK)).toBe(105)
  await second.stop()
  expect((await meter(east)).used(LINK)).toBe(105)
})

test('it is told now and then, not for one transfer; at once where much has gone', async () => {
  const told = () => east.held.filter(({ lane }) => lane.startsWith('trail/')).length
  const one = await meter(east)
  const before = told()
  for (let transfers = 0; transfers < 100; transfers++) one.count(LINK, 'sent', 1000)
  expect(told()).toBe(before)
  time.advance(TELL_INTERVAL_MS)
  await expect.poll(told).toBe(before + 1)
  time.advance(TELL_INTERVAL_MS)
  one.count(LINK, 'received', TELL_BYTES)
  await expect.poll(told).toBe(before + 2)
  await one.stop()
  expect(told()).toBe(before + 2)
})

test('another month begins with nothing, and the last one is still told', async () => {
  const one = await meter(east)
  one.count(LINK, 'sent', 100)
  time.advance(20 * 24 * 60 * 60 * 1000)
  expect(one.used(LINK)).toBe(0)
  one.count(LINK, 'sent', 3)
  expect(one.used(LINK)).toBe(3)
  await one.stop()
  const row = (month: string) => east.tables.get('linkUse', `${month}\u0000${LINK}\u0000${east.node}`)
  expect([row('2026-11'), row('2026-12')]).toEqual([
    { sent: 100, received: 0 },
    { sent: 3, received: 0 },
  ])
})
