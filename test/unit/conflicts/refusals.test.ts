import { afterEach, beforeEach, expect, test } from 'vitest'
import { acting, type Demand } from '../../../src/access/decide.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Frontier } from '../../../src/journal/op.ts'
import { type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { BLUE, list, meet, only, principalOf, push, RED, twoSites } from './apart.ts'

let sites: Sites
let east: TestNode
let west: TestNode
let library: string

beforeEach(async () => {
  sites = new Sites(new HandClock())
  ;({ east, west } = await twoSites(sites))
  library = east.projects.find('library')?.id as string
  await meet({ east, west })
})
afterEach(() => sites.close())

const operator = (demand: Demand) => acting({ kind: 'operator' }, demand)
const admin = (demand: Demand) => acting(principalOf(east, 'admin'), demand)
const PASSWORD = 'Secret-of-the-test-1'

test('what rests on a right that rests on a right that was taken names whoever took that', async () => {
  const anna = await east.accounts.create({ name: 'anna', password: PASSWORD, admin: true }, NODE_ITSELF)
  const bob = await user(east, 'bob')
  await meet({ east, west })
  // At the west, behind everybody's back: anna appoints carl, carl gives bob a role.
  const byAnna = acting({ kind: 'user', id: anna.id }, { action: 'user:create', on: 'system' })
  const carl = await west.accounts.create({ name: 'carl', password: PASSWORD, admin: true }, byAnna)
  const byCarl = acting(
    { kind: 'user', id: carl.id },
    { action: 'member:create', on: 'project', project: library },
  )
  await west.members.add(library, bob.id, 4, byCarl)
  await east.accounts.setAdmin(
    anna.id,
    false,
    acting(principalOf(east, 'admin'), { action: 'user:set-admin', on: 'user', user: anna.id }),
  )
  await meet({ east, west })
  const found = await list(west)
  expect(found.map(({ kind }) => kind).toSorted()).toEqual(['member.granted', 'user.created'])
  for (const one of found) expect(one).toMatchObject({ reason: 'revoked', beatenBy: { actor: 'admin' } })
  const granted = found.find(({ kind }) => kind === 'member.granted')
  // Carl never came to be; what he was to be called is known all the same.
  expect(granted?.deed.actor).toBe('carl')
})

test('of two who were dismissed, one is kept so that somebody stays, and goes by itself once there is another', async () => {
  const anna = await east.accounts.create({ name: 'anna', password: PASSWORD, admin: true }, NODE_ITSELF)
  await meet({ east, west })
  await east.accounts.setAdmin(anna.id, false, NODE_ITSELF)
  await west.accounts.setAdmin(principalOf(west, 'admin').id, false, NODE_ITSELF)
  await meet({ east, west })
  const found = await only(east)
  expect(found).toMatchObject({ kind: 'user.admin-set', reason: 'last-admin' })
  expect(found.remedy).toMatchObject({ open: true, action: null })
  const approval = east.api.repairs.repair(found.id, { action: 'approve' }, operator)
  await expect(approval).rejects.toMatchObject({ code: 'PRECONDITION' })
  await east.accounts.create({ name: 'dora', password: PASSWORD, admin: true }, NODE_ITSELF)
  expect(await list(east)).toEqual([])
  const admins: string[] = []
  for await (const one of east.accounts.all()) if (one.admin) admins.push(one.name)
  expect(admins).toEqual(['dora'])
})

test('a project whose owner is gone goes to the user who approves it, and waits for one', async () => {
  const anna = await east.accounts.create({ name: 'anna', password: PASSWORD }, NODE_ITSELF)
  await meet({ east, west })
  const byAnna = acting({ kind: 'user', id: anna.id }, { action: 'project:create', on: 'system' })
  await west.projects.create({ name: 'shop', metadata: [['public', 'true']] }, anna.id, byAnna)
  await east.accounts.delete(anna.id, NODE_ITSELF)
  await meet({ east, west })
  const found = await only(east)
  expect(found).toMatchObject({ kind: 'project.created', reason: 'revoked', project: 'shop' })
  await expect(east.api.repairs.repair(found.id, { action: 'approve' }, operator)).rejects.toMatchObject({
    code: 'PRECONDITION',
  })
  await east.api.repairs.repair(found.id, { action: 'approve' }, admin)
  expect(east.projects.find('shop')).toMatchObject({ ownerId: principalOf(east, 'admin').id, public: true })
})

test('a tag that may not be moved is shown by its name, with nothing to decide', async () => {
  await push(east, library, 'v1', RED)
  await meet({ east, west })
  const catalog = (frontier: Frontier) =>
    Object.fromEntries(Object.entries(frontier).filter(([feed]) => feed.startsWith('catalog/')))
  await east.site.commit(AUTHORITY, () => [
    op(
      'immutability.set',
      { project: library, mode: 'strict', home: east.site.node, frontier: catalog(east.site.frontier()) },
      NODE_ITSELF.actor,
    ),
  ])
  await push(west, library, 'v1', BLUE)
  await meet({ east, west })
  await expect.poll(() => west.site.stateHash()).toBe(east.site.stateHash())
  expect(await list(west)).toEqual(await list(east))
  const found = await only(east, { project: library })
  expect(found).toMatchObject({
    kind: 'tag.moved',
    about: { what: 'tag', project: 'library', path: 'web', tag: 'v1' },
    project: 'library',
    reason: 'immutable',
    outcome: 'refused',
    remedy: { open: false, action: null },
  })
  expect(found.values.map(({ digest }) => digest)).toEqual([RED])
  expect(await east.api.conflicts.find(found.id)).toEqual(found)
  await expect(east.api.repairs.repair(found.id, { action: 'take' }, operator)).rejects.toMatchObject({
    code: 'PRECONDITION',
  })
})

test('what a compromised node wrote is listed with its eviction, and no tag means two things by it', async () => {
  await push(west, library, 'v1', RED)
  await push(east, library, 'v1', BLUE)
  await meet({ east, west })
  expect(await only(east)).toMatchObject({ reason: 'tag' })
  await east.site.commit(AUTHORITY, () => [
    op(
      'node.evicted',
      { node: west.site.node, compromised: true, frontier: {}, reason: '' },
      principalOf(east, 'admin').id,
    ),
  ])
  await expect.poll(async () => (await list(east, { outcome: 'refused' })).length).toBe(2)
  expect(await list(east)).toHaveLength(2)
  for await (const { key } of east.site.tables.list('disputes')) expect(key).toBeUndefined()
  for (const one of await list(east)) {
    expect(one).toMatchObject({ reason: 'evicted', beatenBy: { actor: 'admin' }, remedy: { open: false } })
  }
})
