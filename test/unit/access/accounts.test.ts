import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acting } from '../../../src/access/decide.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { assemble, founded, PASSWORD, type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'

const sites = new Sites(new HandClock())
let node: TestNode
beforeAll(async () => {
  node = await founded(sites)
})
afterAll(() => sites.close())

const create = (name: string, more: object = {}) =>
  node.accounts.create({ name, password: PASSWORD, ...more }, NODE_ITSELF)

describe('an account', () => {
  test('is found by its number, its id and its name in any case', async () => {
    const made = await create('Grace', { email: 'grace@example.com', realname: 'G', comment: 'c' })
    expect(made).toMatchObject({ name: 'Grace', email: 'grace@example.com', admin: false })
    expect(node.accounts.byNumber(made.number)).toEqual(made)
    expect(node.accounts.byId(made.id)).toEqual(made)
    expect(node.accounts.byName('gRACE')).toEqual(made)
    expect(node.accounts.byName('grace~0000')).toBeUndefined()
  })

  test('has no hash in it, under any name', async () => {
    const made = await create('henry')
    expect(JSON.stringify(made)).not.toContain('argon2')
    expect(Object.keys(made)).not.toContain('password')
  })

  test('has a name of its own, whatever its case', async () => {
    await create('ivan')
    await expect(create('IVAN')).rejects.toMatchObject({ code: 'CONFLICT' })
    const both = await Promise.allSettled([create('judy'), create('Judy')])
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  test.each([
    '',
    'a b',
    'a:b',
    'a/b',
    'a$b',
    'tab\t',
    'ａdmin',
    'ad\u200Dmin',
    'аdmin',
    'ﬁn',
    'x'.repeat(256),
  ])('is not called %j', async (name) => {
    await expect(create(name)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'josé', 'Иван', '李雷', 'a.b-c_d@e'])(
    'may be called %j',
    async (name) => {
      const made = await create(name)
      expect(node.accounts.byName(name)).toEqual(made)
    },
  )

  test('changes what is given of its profile and keeps the rest', async () => {
    const { id } = await create('kate', { email: 'k@example.com', realname: 'Kate' })
    await node.accounts.setProfile(id, { realname: 'Kate B.' }, NODE_ITSELF)
    expect(node.accounts.byId(id)).toMatchObject({ email: 'k@example.com', realname: 'Kate B.' })
  })

  test('has a new password in a new epoch, never the one it had', async () => {
    const { id } = await create('liam')
    const epoch = () => node.site.tables.get('users', id)?.password.epoch
    await expect(node.accounts.setPassword(id, PASSWORD, NODE_ITSELF)).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    })
    expect(epoch()).toBe(1)
    await node.accounts.setPassword(id, `${PASSWORD}2`, NODE_ITSELF)
    expect(epoch()).toBe(2)
  })

  test('keeps its password where it changed between the check and the change', async () => {
    const { id } = await create('mona')
    const checked = node.site.tables.get('users', id)?.password.id as string
    await node.accounts.setPassword(id, `${PASSWORD}2`, NODE_ITSELF)
    await expect(node.accounts.setPassword(id, `${PASSWORD}3`, NODE_ITSELF, checked)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
  })
})

describe('administrators', () => {
  test('there is always one: the last can be neither demoted nor deleted', async () => {
    const admin = node.accounts.byName('admin') as { id: string }
    await expect(node.accounts.setAdmin(admin.id, false, NODE_ITSELF)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
    await expect(node.accounts.delete(admin.id, NODE_ITSELF)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const second = await create('second', { admin: true })
    // Both at once: each sees the other as the one who stays, and the turn of the commit sees better.
    const both = await Promise.allSettled([
      node.accounts.setAdmin(admin.id, false, NODE_ITSELF),
      node.accounts.setAdmin(second.id, false, NODE_ITSELF),
    ])
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    for (const { id } of [admin, second]) await node.accounts.setAdmin(id, true, NODE_ITSELF)
  })

  test('nobody deletes themselves', async () => {
    const two = await create('nina', { admin: true })
    const by = { actor: two.id, permit: () => {} }
    await expect(node.accounts.delete(two.id, by)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  test('a right that went while the request waited writes nothing', async () => {
    const boss = await create('boss', { admin: true })
    const by = acting({ kind: 'user', id: boss.id }, { action: 'user:create', on: 'system' })
    const pending = node.accounts.create({ name: 'minion', password: PASSWORD }, by)
    // Commits at once, while the other one still hashes.
    await node.accounts.setAdmin(boss.id, false, NODE_ITSELF)
    await expect(pending).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(node.accounts.byName('minion')).toBeUndefined()
  })
})

test('taking a right is put on record where nobody is known to have it, and beats what was given elsewhere', async () => {
  const carl = await user(node, 'carl')
  const far = assemble(await sites.admit(node.site), sites)
  await far.accounts.setAdmin(carl.id, true, NODE_ITSELF)
  await node.accounts.setAdmin(carl.id, false, NODE_ITSELF)
  await node.site.learn(far.site)
  expect(node.accounts.byId(carl.id)?.admin).toBe(false)
})

test('a name two sites gave at once is one person’s; the other keeps their account under a longer name', async () => {
  const far = assemble(await sites.admit(node.site), sites)
  const [one, two] = [await user(node, 'olga'), await user(far, 'olga')]
  await far.site.learn(node.site)
  await node.site.learn(far.site)
  expect(far.site.stateHash()).toBe(node.site.stateHash())
  const names = [one, two].map(({ id }) => node.accounts.byId(id)?.name as string).toSorted()
  expect(names[0]).toBe('olga')
  expect(names[1]).toMatch(/^olga~[0-9a-f]{4}$/)
  const holder = node.accounts.byName('olga') as { id: string }
  const loser = node.accounts.byName(names[1] as string) as { id: string }
  expect(new Set([holder.id, loser.id])).toEqual(new Set([one.id, two.id]))
  const login = await far.logins.check({ name: (names[1] as string).toUpperCase(), password: PASSWORD })
  expect(login?.id).toBe(loser.id)
  // When the holder goes, the name is the other’s.
  await node.accounts.delete(holder.id, NODE_ITSELF)
  expect(node.accounts.byId(loser.id)?.name).toBe('olga')
})
