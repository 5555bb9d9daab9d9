import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acting } from '../../../src/access/decide.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { BLUE, list, meet, only, principalOf, push, RED, twoSites } from './apart.ts'

let clock: HandClock
let sites: Sites
let east: TestNode
let west: TestNode
let library: string

beforeEach(async () => {
  clock = new HandClock()
  sites = new Sites(clock)
  ;({ east, west } = await twoSites(sites))
  library = east.projects.find('library')?.id as string
  await meet({ east, west })
})
afterEach(() => sites.close())

const byAdmin = (node: TestNode) =>
  acting(principalOf(node, 'admin'), { action: 'user:create', on: 'system' })

/** The second administrator acts at one site while the other takes the right from them. */
async function dismissedBehindTheirBack(act: (anna: string) => Promise<unknown>): Promise<string> {
  const anna = await east.accounts.create(
    { name: 'anna', password: 'Secret-of-the-test-1', admin: true },
    byAdmin(east),
  )
  await meet({ east, west })
  await act(anna.id)
  await east.accounts.setAdmin(anna.id, false, NODE_ITSELF)
  clock.advance(60_000)
  await meet({ east, west })
  return anna.id
}

test('sites that agree have no conflicts', async () => {
  expect(await list(east)).toEqual([])
  expect(await west.api.conflicts.list({}, { offset: 0, limit: 10 })).toEqual({ total: 0, items: [] })
})

describe('a tag that two sites moved', () => {
  beforeEach(async () => {
    await push(east, library, 'v1', RED)
    clock.advance(60_000)
    await push(west, library, 'v1', BLUE)
    await meet({ east, west })
  })

  test('is shown with both digests, who moved each, where and when, the one that counts first', async () => {
    const found = await only(east)
    expect(await list(west)).toEqual([found])
    const counts = east.site.tables.get('tags', `${library}/web\u0000v1`)?.values.map(({ value }) => value)
    expect(found.values.map(({ digest }) => digest)).toEqual(counts)
    expect(found).toMatchObject({
      kind: 'tag.moved',
      about: { what: 'tag', project: 'library', path: 'web', tag: 'v1' },
      project: 'library',
      reason: 'tag',
      outcome: 'lost',
      id: found.values[1]?.id,
      beatenBy: { id: found.values[0]?.id, actor: 'node', node: 'n', site: 's' },
      remedy: { open: true, action: 'take' },
    })
    expect(found.values.map(({ time }) => time).toSorted((a, b) => a - b)).toEqual([
      clock.now() - 60_000,
      clock.now(),
    ])
  })

  test.each(['take', 'keep'] as const)('is settled by %s: one value lives, at both sites', async (action) => {
    const { id, values } = await only(west)
    await west.api.repairs.repair(id, { action }, (demand) => acting(principalOf(west, 'admin'), demand))
    await meet({ east, west })
    for (const node of [east, west]) {
      expect(await list(node)).toEqual([])
      const left = node.site.tables.get('tags', `${library}/web\u0000v1`)?.values
      expect(left?.map(({ value }) => value)).toEqual([values[action === 'take' ? 1 : 0]?.digest])
      expect(left?.[0]?.actor).toBe(principalOf(west, 'admin').id)
    }
  })

  test('is not settled by who may not push there, nor twice, nor by what settles no tag', async () => {
    const { id } = await only(east)
    await user(east, 'bob')
    const { repairs } = east.api
    const bob = (demand: Parameters<typeof acting>[1]) => acting(principalOf(east, 'bob'), demand)
    const operator = (demand: Parameters<typeof acting>[1]) => acting({ kind: 'operator' }, demand)
    await expect(repairs.repair(id, { action: 'take' }, bob)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(repairs.repair(id, { action: 'approve' }, operator)).rejects.toMatchObject({
      code: 'PRECONDITION',
    })
    const twice = await Promise.allSettled([
      repairs.repair(id, { action: 'take' }, operator),
      repairs.repair(id, { action: 'keep' }, operator),
    ])
    expect(twice.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    await expect(repairs.repair(id, { action: 'take' }, operator)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  test('is nobody’s business outside of its project', async () => {
    const { id } = await only(east)
    const other = await east.projects.create({ name: 'other' }, principalOf(east, 'admin').id, NODE_ITSELF)
    expect(await list(east, { project: other.id })).toEqual([])
    expect(await list(east, { project: library })).toHaveLength(1)
    expect(await east.api.conflicts.find(id, other.id)).toBeUndefined()
    await expect(
      east.api.repairs.repair(id, { action: 'take', project: other.id }, (demand) =>
        acting({ kind: 'operator' }, demand),
      ),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('what somebody did whose right was taken meanwhile', () => {
  const approve = (id: string, name?: string) =>
    east.api.repairs.repair(id, { action: 'approve', name }, (demand) =>
      acting(principalOf(east, 'admin'), demand),
    )

  test('an account: listed with who took the right, and made by whoever approves', async () => {
    const anna = await dismissedBehindTheirBack((id) =>
      west.site.commit(AUTHORITY, () => [
        op(
          'user.created',
          {
            name: 'carl',
            number: 4711,
            email: 'carl@example.org',
            realname: '',
            comment: '',
            admin: false,
            passwordHash: '$argon2id$x',
          },
          id,
        ),
      ]),
    )
    const found = await only(east)
    expect(found).toMatchObject({
      kind: 'user.created',
      about: { what: 'user', user: 'carl', admin: null },
      project: null,
      reason: 'revoked',
      outcome: 'refused',
      deed: { actor: 'anna', node: 'n', site: 's' },
      beatenBy: { actor: 'node', time: clock.now() - 60_000 },
      remedy: { open: true, action: 'approve' },
    })
    expect(found.text).toContain('the right to do this was taken away')
    expect(east.accounts.byName('carl')).toBeUndefined()

    await expect(
      east.api.repairs.repair(found.id, { action: 'approve' }, (demand) =>
        acting({ kind: 'user', id: anna }, demand),
      ),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await approve(found.id)
    await meet({ east, west })
    expect(west.accounts.byName('carl')).toMatchObject({ email: 'carl@example.org', number: 4711 })
    // It is still on the list, with nothing left to decide.
    expect(await list(west, { open: true })).toEqual([])
    expect(await only(west, { open: false })).toMatchObject({ id: found.id, remedy: { action: null } })
    await expect(approve(found.id)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(approve(found.id, 'carl2')).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('an account or project whose name is taken by now waits for another name, and is made under that', async () => {
    await dismissedBehindTheirBack((id) => {
      const profile = { email: 'carl@example.org', realname: '', comment: '', admin: false }
      const body = { name: 'carl', number: 4711, ...profile, passwordHash: '$argon2id$x' }
      const owner = principalOf(west, 'admin').id
      const shop = { name: 'shop', number: 99, owner, ownerMember: 7, metadata: { public: 'false' } }
      return west.site.commit(AUTHORITY, () => [
        op('user.created', body, id),
        op('project.created', shop, id),
      ])
    })
    await user(east, 'carl')
    await east.projects.create({ name: 'shop' }, principalOf(east, 'admin').id, NODE_ITSELF)
    const found = await list(east, { open: true })
    for (const { kind, remedy } of found) {
      const name = kind === 'user.created' ? 'carl' : 'shop'
      expect(remedy).toMatchObject({ open: true, action: 'approve', needs: ['name'] })
      expect(remedy.advice).toContain(`the name ${name} is taken by now`)
    }
    expect(found.map(({ kind }) => kind).toSorted()).toEqual(['project.created', 'user.created'])
    for (const { id } of found) await expect(approve(id)).rejects.toMatchObject({ code: 'CONFLICT' })
    for (const { id, kind } of found) await approve(id, kind === 'user.created' ? 'carl2' : 'shop2')
    expect(east.accounts.byName('carl2')).toMatchObject({ email: 'carl@example.org' })
    expect(east.projects.find('shop2')).toBeDefined()
    expect(await list(east, { open: true })).toEqual([])
    for (const { id } of found) await expect(approve(id, 'other')).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('a role, a setting, a profile, a right: each is done again by its approval', async () => {
    const bob = await user(east, 'bob')
    await meet({ east, west })
    await dismissedBehindTheirBack((id) =>
      west.site.commit(AUTHORITY, () => [
        op('member.granted', { project: library, user: bob.id, role: 2, number: 9 }, id),
        op('project.metadata-set', { project: library, metadata: { public: 'false' } }, id),
        op('user.profile-set', { user: bob.id, realname: 'Bob' }, id),
        op('user.admin-set', { user: bob.id, admin: true }, id),
      ]),
    )
    const found = await list(east, { open: true })
    expect(found.map(({ kind }) => kind).toSorted()).toEqual([
      'member.granted',
      'project.metadata-set',
      'user.admin-set',
      'user.profile-set',
    ])
    const granted = found.find(({ kind }) => kind === 'member.granted')
    expect(granted?.about).toEqual({ what: 'member', project: 'library', user: 'bob', role: 2 })
    expect(found.find(({ kind }) => kind === 'user.admin-set')?.about).toMatchObject({
      user: 'bob',
      admin: true,
    })
    expect(found.find(({ kind }) => kind === 'project.metadata-set')?.about).toEqual({
      what: 'project',
      project: 'library',
      settings: { public: 'false' },
    })
    expect(await list(east, { project: library })).toHaveLength(2)
    const other = await east.projects.create({ name: 'other' }, principalOf(east, 'admin').id, NODE_ITSELF)
    expect(await east.api.conflicts.find(granted?.id ?? '', other.id)).toBeUndefined()
    expect(await east.api.conflicts.find(granted?.id ?? '', library)).toEqual(granted)
    for (const { id } of found) await approve(id)
    for (const { id } of found) await expect(approve(id)).rejects.toMatchObject({ code: 'CONFLICT' })
    await meet({ east, west })
    expect(await list(west, { open: true })).toEqual([])
    expect(west.accounts.byId(bob.id)).toMatchObject({ realname: 'Bob', admin: true })
    expect(west.projects.find('library')?.public).toBe(false)
    for await (const member of west.members.of(library)) {
      if (member.userId === bob.id) expect(member.role).toBe(2)
    }
    expect(west.site.tables.get('members', `${library}/${bob.id}`)?.grants).toHaveLength(1)
  })

  test('a project is made anew under its owner, or under who approves where the owner is gone', async () => {
    await dismissedBehindTheirBack((id) =>
      west.site.commit(AUTHORITY, () => [
        op(
          'project.created',
          { name: 'shop', number: 77, owner: principalOf(west, 'admin').id, ownerMember: 5, metadata: {} },
          id,
        ),
      ]),
    )
    const found = await only(east)
    expect(found).toMatchObject({ about: { what: 'project', project: 'shop' }, project: 'shop' })
    await approve(found.id)
    expect(east.projects.find('shop')).toMatchObject({ ownerId: principalOf(east, 'admin').id })
  })
})

test('a role given while it was being taken is listed as lost to that, and given again', async () => {
  const bob = await user(east, 'bob')
  const member = await east.members.add(library, bob.id, 3, NODE_ITSELF)
  await meet({ east, west })
  await east.members.remove(library, member, NODE_ITSELF)
  await west.members.setRole(library, member, 4, NODE_ITSELF)
  await meet({ east, west })
  const found = await only(west)
  expect(found).toMatchObject({
    kind: 'member.granted',
    about: { what: 'member', project: 'library', user: 'bob', role: 4 },
    reason: 'revoked',
    text: 'the role was taken away at another site at the same time',
    outcome: 'lost',
    beatenBy: { actor: 'node' },
    remedy: { open: true, action: 'approve' },
  })
  await west.api.repairs.repair(found.id, { action: 'approve' }, (demand) =>
    acting({ kind: 'operator' }, demand),
  )
  await meet({ east, west })
  expect(east.site.tables.get('members', `${library}/${bob.id}`)?.grants[0]?.value.role).toBe(4)
  expect(await list(east, { open: true })).toEqual([])
})

test('of two of one name the one that goes by another is listed, with the holder, until one of them goes', async () => {
  await user(east, 'dora')
  await user(west, 'dora')
  await meet({ east, west })
  const found = await only(east)
  expect(found).toMatchObject({
    kind: 'user.created',
    reason: 'name',
    remedy: { open: true, action: 'rename' },
  })
  expect(found.about).toMatchObject({ what: 'user', user: expect.stringMatching(/^dora~[0-9a-f]{4}$/) })
  const holder = east.accounts.byName('dora')
  expect(found.beatenBy).toMatchObject({ id: holder?.id, actor: 'node' })
  await expect(
    east.api.repairs.repair(found.id, { action: 'approve' }, (demand) =>
      acting({ kind: 'operator' }, demand),
    ),
  ).rejects.toMatchObject({ code: 'PRECONDITION' })
  await east.accounts.delete(found.id, NODE_ITSELF)
  expect(await list(east)).toEqual([])
})

test('a change of what was deleted meanwhile is listed, and nobody has to decide', async () => {
  const bob = await user(east, 'bob')
  await meet({ east, west })
  await east.accounts.delete(bob.id, NODE_ITSELF)
  await west.accounts.setProfile(bob.id, { realname: 'Bob' }, NODE_ITSELF)
  await meet({ east, west })
  expect(await list(east, { open: true })).toEqual([])
  expect(await only(east)).toMatchObject({
    reason: 'deleted',
    about: { user: 'bob' },
    beatenBy: { actor: 'node' },
  })
})

test('the newest come first, page by page, and a filter counts what it lets through', async () => {
  for (const tag of ['v1', 'v2', 'v3', 'v4', 'v5']) {
    clock.advance(60_000)
    await push(east, library, tag, RED)
    await push(west, library, tag, BLUE)
  }
  await meet({ east, west })
  const tags: unknown[] = []
  for (const offset of [0, 2, 4, 6]) {
    const { total, items } = await east.api.conflicts.list({}, { offset, limit: 2 })
    expect(total).toBe(5)
    tags.push(items.map(({ about }) => (about.what === 'tag' ? about.tag : '')))
  }
  expect(tags).toEqual([['v5', 'v4'], ['v3', 'v2'], ['v1'], []])
  expect(await list(east, { since: clock.now() })).toHaveLength(1)
  expect(await list(east, { kind: 'tag.moved', outcome: 'lost', site: 's' })).toHaveLength(5)
  await expect(list(east, { site: 'elsewhere' })).rejects.toMatchObject({
    code: 'BAD_REQUEST',
    message: expect.stringContaining('there are: n (s), n (s)'),
  })
  expect(await list(east, { outcome: 'refused' })).toEqual([])
  expect(await list(east, { kind: 'user.created' })).toEqual([])
  await expect(east.api.conflicts.list({}, { offset: 1_000_000, limit: 1 })).rejects.toMatchObject({
    code: 'BAD_REQUEST',
  })
})
