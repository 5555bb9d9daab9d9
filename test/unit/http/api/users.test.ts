import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_PASSWORD,
  type Answer,
  type Client,
  founded,
  PASSWORD,
  serve,
  type TestNode,
  user,
} from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'

const sites = new Sites(new HandClock())
let node: TestNode
let client: Client
const boss = { as: 'admin', password: ADMIN_PASSWORD }
beforeAll(async () => {
  node = await founded(sites)
  client = await serve(sites, node)
  await user(node, 'alice')
  await user(node, 'bob')
})
afterAll(() => sites.close())

const API = '/api/v2.0'
const items = (answer: Answer) => answer.json as Record<string, unknown>[]
const thing = (answer: Answer) => answer.json as Record<string, unknown>
const numberOf = (name: string) => node.accounts.byName(name)?.number as number

describe('users', () => {
  test('are made by an administrator, and log in', async () => {
    const body = { username: 'carol', password: PASSWORD, email: 'c@example.com', realname: 'C', comment: '' }
    const made = await client.send('POST', `${API}/users`, { ...boss, body })
    expect(made.status).toBe(201)
    expect(made.headers['location']).toBe(`${API}/users/${numberOf('carol')}`)
    const current = await client.send('GET', `${API}/users/current`, { as: 'carol' })
    expect(thing(current)).toMatchObject({
      user_id: numberOf('carol'),
      username: 'carol',
      email: 'c@example.com',
      sysadmin_flag: false,
      creation_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    })
    const again = await client.send('POST', `${API}/users`, { ...boss, body })
    expect(again).toMatchObject({ status: 409, code: 'CONFLICT' })
    expect(await client.send('POST', `${API}/users`, { as: 'alice', body })).toMatchObject({ status: 403 })
    expect(await client.send('POST', `${API}/users`, { body })).toMatchObject({ status: 401 })
  })

  test('may be made administrators in one go, by administrators', async () => {
    const body = { username: 'deputy', password: PASSWORD, has_admin_role: true }
    expect((await client.send('POST', `${API}/users`, { ...boss, body })).status).toBe(201)
    expect(node.accounts.byName('deputy')?.admin).toBe(true)
    const url = `${API}/users/${numberOf('deputy')}/sysadmin`
    expect((await client.send('PUT', url, { ...boss, body: { sysadmin_flag: false } })).status).toBe(200)
    expect(node.accounts.byName('deputy')?.admin).toBe(false)
  })

  test('are listed in pages, searched and sorted by what is listed, for administrators', async () => {
    const first = await client.send('GET', `${API}/users?page_size=2&sort=username`, boss)
    expect(items(first).map((one) => one['username'])).toEqual(['admin', 'alice'])
    const total = Number(first.headers['x-total-count'])
    expect(total).toBeGreaterThan(3)
    expect(first.headers['link']).toBe(`<${API}/users?page_size=2&sort=username&page=2>; rel="next"`)
    const second = await client.send('GET', `${API}/users?page=2&page_size=2`, boss)
    expect(second.headers['link']).toContain('page=1&page_size=2>; rel="prev", <')
    const found = await client.send('GET', `${API}/users?q=username=~LIC`, boss)
    expect(items(found).map((one) => one['username'])).toEqual(['alice'])
    const admins = await client.send('GET', `${API}/users?q=sysadmin_flag=true`, boss)
    expect(items(admins).map((one) => one['username'])).toEqual(['admin'])
    expect(items(await client.send('GET', `${API}/users?page=99`, boss))).toEqual([])
    expect((await client.send('GET', `${API}/users`, { as: 'alice' })).status).toBe(403)
  })

  test.each([
    'q=password=x',
    'q=passwordHash=~a',
    'q=hash=~a',
    'q=username',
    'q==x',
    'sort=password',
    'q=constructor=1',
    'page=0',
    'page_size=-1',
    'page_size=x',
    'page=1&page=2',
    'q=user_id=[~]',
    'q=username=(a%20b)',
  ])('are not searched by %s', async (query) => {
    expect(await client.send('GET', `${API}/users?${query}`, boss)).toMatchObject({
      status: 400,
      code: 'BAD_REQUEST',
    })
  })

  test('are found by anybody who logged in, by name and number alone', async () => {
    const found = await client.send('GET', `${API}/users/search?username=bo`, { as: 'alice' })
    expect(found.json).toEqual([{ user_id: numberOf('bob'), username: 'bob' }])
    expect((await client.send('GET', `${API}/users/search?username=bo`)).status).toBe(401)
  })

  test('see and change themselves', async () => {
    const url = `${API}/users/${numberOf('alice')}`
    expect((await client.send('GET', url, { as: 'alice' })).status).toBe(200)
    const body = { realname: 'Alice A.', email: 'alice@example.com' }
    expect((await client.send('PUT', url, { as: 'alice', body })).status).toBe(200)
    expect(thing(await client.send('GET', url, boss))).toMatchObject(body)
    expect((await client.send('GET', url, { as: 'bob' })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'bob', body })).status).toBe(403)
    expect((await client.send('DELETE', url, { as: 'alice' })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'alice', body: { email: 'no' } })).status).toBe(400)
  })

  test('change their password with the old one, administrators anybody’s', async () => {
    await user(node, 'dave')
    const url = `${API}/users/${numberOf('dave')}/password`
    const next = `${PASSWORD}2`
    const wrong = { old_password: 'Wrong-1-wrong', new_password: next }
    expect((await client.send('PUT', url, { as: 'dave', body: wrong })).status).toBe(403)
    const none = { new_password: next }
    expect((await client.send('PUT', url, { as: 'dave', body: none })).status).toBe(403)
    expect((await client.send('PUT', url, { as: 'bob', body: none })).status).toBe(403)
    const right = { old_password: PASSWORD, new_password: next }
    expect(
      (await client.send('PUT', url, { as: 'dave', body: { ...right, new_password: 'weak' } })).status,
    ).toBe(400)
    expect((await client.send('PUT', url, { as: 'dave', body: right })).status).toBe(200)
    expect((await client.send('GET', `${API}/users/current`, { as: 'dave' })).status).toBe(401)
    expect((await client.send('GET', `${API}/users/current`, { as: 'dave', password: next })).status).toBe(
      200,
    )
    expect((await client.send('PUT', url, { ...boss, body: { new_password: PASSWORD } })).status).toBe(200)
    expect((await client.send('GET', `${API}/users/current`, { as: 'dave' })).status).toBe(200)
    const self = `${API}/users/${numberOf('admin')}/password`
    expect((await client.send('PUT', self, { ...boss, body: none })).status).toBe(403)
  })

  test('go when an administrator says so', async () => {
    await user(node, 'gone')
    const url = `${API}/users/${numberOf('gone')}`
    expect((await client.send('DELETE', url, boss)).status).toBe(200)
    expect((await client.send('GET', url, boss)).status).toBe(404)
    expect((await client.send('GET', `${API}/users/current`, { as: 'gone' })).status).toBe(401)
    expect((await client.send('DELETE', `${API}/users/${numberOf('admin')}`, boss)).status).toBe(403)
  })
})
