import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Body, op } from '../../../src/journal/kinds.ts'
import { linkBetween, linkPolicy } from '../../../src/journal/link-policy.ts'
import { AUTHORITY, trailLane } from '../../../src/journal/op.ts'
import { HandClock, type Site, Sites } from '../../support/sites.ts'

let sites: Sites
let east: Site
let west: Site

beforeEach(async () => {
  sites = new Sites(new HandClock())
  east = await sites.found()
  west = await sites.admit(east)
})
afterEach(() => sites.close())

const say = (site: Site, said: Omit<Body<'link.policy-set'>, 'link'>, link = 'hq/shop') =>
  site.commit(AUTHORITY, () => [op('link.policy-set', { link, ...said }, 'node')])
const policies = () => [east, west].map(({ tables }) => linkPolicy(tables, linkBetween('shop', 'hq')))

async function meet(): Promise<void> {
  await east.learn(west)
  await west.learn(east)
  expect(east.stateHash()).toBe(west.stateHash())
}

test('what is said field by field adds up; what is taken back holds no more', async () => {
  await say(east, { rate: 50_000, hours: '22:00-06:00' })
  await say(east, { budget: 7 })
  await say(east, { hours: null })
  await meet()
  const expected = { rate: 50_000, hours: null, budget: 7, forbidden: false, own: true }
  expect(policies()).toEqual([expected, expected])
})

test('forbidden beats allowed that was said at the same time, and falls to who has seen it', async () => {
  await say(east, { forbidden: true })
  await say(west, { forbidden: false })
  await say(west, { forbidden: false })
  await meet()
  expect(policies().map(({ forbidden }) => forbidden)).toEqual([true, true])
  await say(west, { forbidden: false })
  await meet()
  expect(policies().map(({ forbidden }) => forbidden)).toEqual([false, false])
})

test('of two rates said at the same time both nodes go by the same one', async () => {
  await say(east, { rate: 50_000 })
  await say(west, { rate: 90_000 })
  await meet()
  const [here, there] = policies()
  expect(here).toEqual(there)
  expect([50_000, 90_000]).toContain(here?.rate)
  expect(east.tables.get('disputedFields', 'link:hq/shop')).toEqual({ fields: ['rate'] })
})

test('what holds for all others holds for a pair until something is said of it', async () => {
  await say(east, { forbidden: true }, '*')
  await meet()
  expect(policies()[1]).toMatchObject({ forbidden: true, own: false })
  await say(west, { forbidden: false })
  await meet()
  expect(policies()[0]).toMatchObject({ forbidden: false, own: true })
  await say(east, { forbidden: null })
  expect(policies()[0]).toMatchObject({ forbidden: true, own: false })
})

test('a node’s count of a month only grows, whatever comes late', async () => {
  const lane = trailLane('system', sites.clock.now())
  const count = (site: Site, sent: number, received: number) =>
    site.commit(lane, () => [op('link.counted', { link: 'hq/shop', sent, received }, 'node')])
  await count(east, 10, 3)
  await count(west, 1, 9)
  await count(east, 12, 3)
  await count(east, 11, 4)
  await meet()
  const use = (site: Site) => west.tables.get('linkUse', `2026-11\u0000hq/shop\u0000${site.node}`)
  expect(use(east)).toEqual({ sent: 12, received: 4 })
  expect(use(west)).toEqual({ sent: 1, received: 9 })
})

test.each([
  { link: 'shop/hq', rate: 50_000 },
  { link: 'hq/hq', rate: 50_000 },
  { link: 'hq', rate: 50_000 },
  { link: 'hq/shop', rate: 1 },
  { link: 'hq/shop', hours: 'at night' },
  { link: 'hq/shop', budget: 0 },
])('%j is no word on a link', (body) => {
  expect(() => op('link.policy-set', body, 'node')).toThrow(/link.policy-set/)
})
