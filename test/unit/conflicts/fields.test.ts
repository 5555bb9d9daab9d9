import { afterEach, beforeEach, expect, test } from 'vitest'
import { acting } from '../../../src/access/decide.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import type { As } from '../../../src/conflicts/repairs.ts'
import { type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { list, meet, only, principalOf, twoSites } from './apart.ts'

let sites: Sites
let east: TestNode
let west: TestNode
let bob: string
let shop: string

beforeEach(async () => {
  sites = new Sites(new HandClock())
  ;({ east, west } = await twoSites(sites))
  bob = (await user(east, 'bob')).id
  const carla = await user(east, 'carla')
  shop = (await east.projects.create({ name: 'shop' }, carla.id, NODE_ITSELF)).id
  await meet({ east, west })
})
afterEach(() => sites.close())

const operator: As = (demand) => acting({ kind: 'operator' }, demand)
const as =
  (name: string): As =>
  (demand) =>
    acting(principalOf(east, name), demand)

const settle = (id: string, action: 'take' | 'keep', by: As = operator) =>
  east.api.repairs.repair(id, { action }, by)

async function splitProfile(): Promise<void> {
  await east.accounts.setProfile(bob, { email: 'e@example.org', realname: 'Bob' }, NODE_ITSELF)
  await west.accounts.setProfile(bob, { email: 'w@example.org', realname: 'Bob' }, NODE_ITSELF)
  await meet({ east, west })
}

test('a field that two sites filled in is shown with both values, what counts first', async () => {
  await splitProfile()
  const found = await only(east)
  expect(await only(west)).toEqual(found)
  const counts = east.accounts.byId(bob)?.email
  const lost = ['e@example.org', 'w@example.org'].find((email) => email !== counts)
  expect(found).toMatchObject({
    kind: 'user.profile-set',
    reason: 'field',
    outcome: 'lost',
    about: { what: 'user', user: 'bob' },
    project: null,
    values: [],
    // Both sites gave the same real name: that is no conflict.
    fields: [{ field: 'email', values: [{ value: counts }, { id: found.id, value: lost }] }],
    remedy: { open: true, action: 'take' },
  })
  expect(found.beatenBy).toMatchObject({ id: found.fields[0]?.values[0]?.id, actor: 'node' })
  expect(await east.api.conflicts.find(found.id)).toEqual(found)
  expect(await list(east, { project: shop })).toEqual([])
})

test.each(['take', 'keep'] as const)('%s settles it at both sites', async (action) => {
  await splitProfile()
  const { id, fields } = await only(east)
  const [counts, lost] = (fields[0]?.values ?? []).map(({ value }) => value)
  await expect(settle(id, action, as('carla'))).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(east.api.repairs.repair(id, { action: 'approve' }, operator)).rejects.toMatchObject({
    code: 'PRECONDITION',
  })
  await settle(id, action)
  await meet({ east, west })
  for (const node of [east, west]) {
    expect(await list(node)).toEqual([])
    expect(node.accounts.byId(bob)?.email).toBe(action === 'take' ? lost : counts)
    expect(node.site.tables.get('users', bob)?.email).toHaveLength(1)
  }
  await expect(settle(id, action)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('what was filled in together and lost together is one conflict, taken together', async () => {
  await east.accounts.setProfile(bob, { realname: 'Bob E', comment: 'east' }, NODE_ITSELF)
  await west.accounts.setProfile(bob, { realname: 'Bob W', comment: 'west' }, NODE_ITSELF)
  await meet({ east, west })
  const { id, fields } = await only(east)
  expect(fields.map(({ field }) => field)).toEqual(['realname', 'comment'])
  const lost = fields.map(({ values }) => values.find((one) => one.id === id)?.value)
  await settle(id, 'take')
  const { realname, comment } = east.accounts.byId(bob) ?? {}
  expect([realname, comment]).toEqual(lost)
})

test('a project’s setting is its administrator’s to settle; that it is not public counts until then', async () => {
  const { id: library } = east.projects.find('library') as { id: string }
  for (const [node, value] of [
    [east, 'true'],
    [west, 'false'],
  ] as const) {
    await node.projects.update(shop, [['public', value]], NODE_ITSELF)
    await node.projects.update(library, [['severity', value === 'true' ? 'low' : 'high']], NODE_ITSELF)
  }
  await meet({ east, west })
  expect(await list(east)).toHaveLength(2)
  const found = await only(east, { project: shop })
  expect(found).toMatchObject({
    kind: 'project.metadata-set',
    project: 'shop',
    fields: [{ field: 'public', values: [{ value: 'false' }, { id: found.id, value: 'true' }] }],
  })
  expect(east.projects.find('shop')?.public).toBe(false)
  await expect(settle(found.id, 'take', as('bob'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await settle(found.id, 'take', as('carla'))
  await meet({ east, west })
  expect(west.projects.find('shop')?.public).toBe(true)
  expect(await list(west, { project: shop })).toEqual([])
})

test('what is deleted has nothing to settle any more', async () => {
  await splitProfile()
  expect(await list(east)).toHaveLength(1)
  await west.accounts.delete(bob, NODE_ITSELF)
  await meet({ east, west })
  expect(await list(east)).toEqual([])
})
