import { afterEach, beforeEach, expect, test } from 'vitest'
import { acting } from '../../../src/access/decide.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import type { As } from '../../../src/conflicts/repairs.ts'
import { type Body, op } from '../../../src/journal/kinds.ts'
import { linkPolicy } from '../../../src/journal/link-policy.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { list, meet, only, principalOf, twoSites } from './apart.ts'

let sites: Sites
let east: TestNode
let west: TestNode

beforeEach(async () => {
  sites = new Sites(new HandClock())
  ;({ east, west } = await twoSites(sites))
})
afterEach(() => sites.close())

const operator: As = (demand) => acting({ kind: 'operator' }, demand)
const say = ({ site }: TestNode, said: Omit<Body<'link.policy-set'>, 'link'>) =>
  site.commit(AUTHORITY, () => [op('link.policy-set', { link: 'hq/shop', ...said }, NODE_ITSELF.actor)])
const policy = ({ site }: TestNode) => linkPolicy(site.tables, 'hq/shop')

test.each(['take', 'keep'] as const)(
  'two rates said apart are one conflict, and %s settles it',
  async (action) => {
    await say(east, { rate: 50_000, hours: '22:00-06:00' })
    await say(west, { rate: 90_000, hours: '22:00-06:00' })
    await meet({ east, west })
    const found = await only(east)
    expect(await only(west)).toEqual(found)
    const counts = policy(east).rate as number
    const lost = 140_000 - counts
    expect(found).toMatchObject({
      kind: 'link.policy-set',
      reason: 'field',
      about: { what: 'link', link: 'hq/shop' },
      project: null,
      fields: [{ field: 'rate', values: [{ value: String(counts) }, { id: found.id, value: String(lost) }] }],
      remedy: { open: true, action: 'take' },
    })
    const bob = await user(east, 'bob')
    const stranger: As = (demand) => acting(principalOf(east, bob.name), demand)
    await expect(east.api.repairs.repair(found.id, { action }, stranger)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
    await east.api.repairs.repair(found.id, { action }, operator)
    await meet({ east, west })
    for (const node of [east, west]) {
      expect(await list(node)).toEqual([])
      expect(policy(node)).toMatchObject({ rate: action === 'take' ? lost : counts, hours: '22:00-06:00' })
    }
  },
)

test('a link forbidden at one site and allowed at the other is shown as forbidden, and can be taken as allowed', async () => {
  await say(east, { forbidden: false })
  await say(east, { forbidden: false })
  await say(west, { forbidden: true })
  await meet({ east, west })
  const found = await only(west)
  expect(found.fields[0]?.values.map(({ value }) => value)).toEqual(['true', 'false'])
  expect(policy(west).forbidden).toBe(true)
  await west.api.repairs.repair(found.id, { action: 'take' }, operator)
  expect(policy(west).forbidden).toBe(false)
})
