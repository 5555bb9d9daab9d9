import { afterEach, beforeEach, expect, test } from 'vitest'
import { acting } from '../../../src/access/decide.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import type { As } from '../../../src/conflicts/repairs.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { PASSWORD, type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { list, meet, only, principalOf, twoSites } from './apart.ts'

let sites: Sites
let east: TestNode
let west: TestNode

beforeEach(async () => {
  sites = new Sites(new HandClock())
  ;({ east, west } = await twoSites(sites))
  await meet({ east, west })
})
afterEach(() => sites.close())

const operator: As = (demand) => acting({ kind: 'operator' }, demand)
const rename = (node: TestNode, id: string, name: string | undefined, as: As = operator) =>
  node.api.repairs.repair(id, { action: 'rename', name }, as)

test('an account that lost its name gets another, and goes by it everywhere', async () => {
  const made = [await user(east, 'dora'), await user(west, 'dora')]
  await meet({ east, west })
  const lost = await only(west)
  expect(lost.remedy).toMatchObject({ open: true, action: 'rename', needs: ['name'] })
  const holder = made.find(({ id }) => id !== lost.id)
  await rename(west, lost.id, 'dorothea')
  await meet({ east, west })
  for (const node of [east, west]) {
    expect(await list(node)).toEqual([])
    expect(node.accounts.byName('dora')?.id).toBe(holder?.id)
    expect(node.accounts.byName('dorothea')).toMatchObject({ id: lost.id, name: 'dorothea' })
    const login = await node.logins.check({ name: 'Dorothea', password: PASSWORD })
    expect(login?.id).toBe(lost.id)
  }
  // The name it gave up is free once its holder has gone.
  await east.accounts.delete(holder?.id as string, NODE_ITSELF)
  expect((await user(east, 'dora')).name).toBe('dora')
})

test('a project that lost its name is pulled by another one, and what the old one leads to stays', async () => {
  const [anna, bob] = [await user(east, 'anna'), await user(east, 'bob')]
  await meet({ east, west })
  const metadata = [['public', 'true']] as const
  const first = await east.projects.create({ name: 'shop', metadata }, anna.id, NODE_ITSELF)
  const second = await west.projects.create({ name: 'shop', metadata }, anna.id, NODE_ITSELF)
  await meet({ east, west })
  const { id } = await only(east)
  const holder = [first, second].find((one) => one.id !== id) as typeof first
  const as =
    (name: string): As =>
    (demand) =>
      acting(principalOf(east, name), demand)
  await expect(rename(east, id, 'store', as('bob'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(rename(east, id, 'library')).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(rename(east, id, 'No Name')).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(rename(east, id, undefined)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  // Who holds a name keeps it: somebody pulls by it.
  await expect(east.projects.rename(holder.id, 'store', NODE_ITSELF)).rejects.toMatchObject({
    code: 'PRECONDITION',
  })
  await expect(east.accounts.rename(bob.id, 'robert', NODE_ITSELF)).rejects.toMatchObject({
    code: 'PRECONDITION',
  })
  expect(east.projects.find(`shop`)?.id).toBe(holder.id)
  // Its own administrator may, and has it public again as it was made.
  await rename(east, id, 'store', as('anna'))
  await meet({ east, west })
  for (const node of [east, west]) {
    expect(node.projects.find('shop')?.id).toBe(holder.id)
    expect(node.projects.find('store')).toMatchObject({ id, public: true })
    expect(await list(node)).toEqual([])
  }
  await expect(rename(east, id, 'depot')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('two that were given one name at two sites: the later renaming is listed, and mended by another', async () => {
  for (const name of ['dora', 'emma']) await Promise.all([user(east, name), user(west, name)])
  await meet({ east, west })
  const [one, other] = (await list(east)).map(({ id }) => id) as [string, string]
  await rename(east, one, 'frieda')
  await rename(west, other, 'frieda')
  await meet({ east, west })
  const lost = await only(east)
  expect(await only(west)).toEqual(lost)
  expect(lost).toMatchObject({ kind: 'user.renamed', reason: 'name', remedy: { action: 'rename' } })
  expect(lost.about).toMatchObject({ what: 'user', user: expect.stringMatching(/^frieda~[0-9a-f]{4}$/) })
  const holder = east.accounts.byName('frieda')?.id as string
  expect([one, other]).toContain(holder)
  // What it gave way to is the renaming, not the making of the account.
  expect(
    east.site.tables.get('history', `user:${holder}`)?.find(({ id }) => id === lost.beatenBy?.id)?.kind,
  ).toBe('user.renamed')
  await rename(west, lost.id, 'greta')
  await meet({ east, west })
  expect(await list(east)).toEqual([])
  expect(east.accounts.byName('greta')?.id).toBe([one, other].find((id) => id !== holder))
})

test('nobody takes another name by themselves', async () => {
  const bob = await user(east, 'bob')
  await expect(
    east.site.commit(AUTHORITY, () => [op('user.renamed', { user: bob.id, name: 'bobby' }, bob.id)]),
  ).rejects.toMatchObject({ code: 'OP_REFUSED' })
  expect(east.accounts.byName('bob')?.id).toBe(bob.id)
  expect(east.accounts.byName('bobby')).toBeUndefined()
})

test('a renaming that had not seen the deletion gives nobody the name', async () => {
  await Promise.all([user(east, 'dora'), user(west, 'dora')])
  await meet({ east, west })
  const { id } = await only(east)
  await east.accounts.delete(id, NODE_ITSELF)
  await rename(west, id, 'dorothea')
  await meet({ east, west })
  expect(east.accounts.byName('dorothea')).toBeUndefined()
  expect(await only(west)).toMatchObject({ kind: 'user.renamed', reason: 'deleted', remedy: { open: false } })
  expect((await user(west, 'dorothea')).name).toBe('dorothea')
})
