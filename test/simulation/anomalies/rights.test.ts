import { expect } from 'vitest'
import { decide } from '../../../src/access/decide.ts'
import {
  isAdmin,
  membershipOf,
  projectByName,
  projectName,
  userByName,
  userName,
} from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import type { UserRow } from '../../../src/journal/rows.ts'
import { HASH, userOp } from './founding.ts'
import { scenario } from './scenario.ts'
import type { Outcome } from './variant.ts'

function userRow({ tables }: Outcome, user: string): UserRow {
  const row = tables.get('users', user)
  if (!row) throw new Error('no such user')
  return row
}

function reasons(outcome: Outcome): (string | undefined)[] {
  return outcome.ops.map((one) => outcome.ineffective(one)?.reason)
}

scenario(1, async ({ a, b, c, shop, dave, carol, erin, write, hear, meet }) => {
  const grant = op('member.granted', { project: shop, user: dave, role: 2, number: 9 }, carol)
  await write(a, AUTHORITY, grant)
  await hear(b, a)
  await write(b, AUTHORITY, op('member.revoked', { project: shop, user: dave }, erin))
  await write(c, AUTHORITY, grant)
  const cut = await meet()
  expect(membershipOf(cut.tables, shop, dave)).toBeUndefined()
  expect(cut.ops.map((one) => cut.ineffective(one)?.reason)).toEqual([undefined, 'revoked', undefined])
  // Whoever knows of the revocation may grant again.
  await write(c, AUTHORITY, grant)
  expect(membershipOf((await meet()).tables, shop, dave)?.role).toBe(2)
})

scenario(2, async ({ a, b, root, alice, dave, write, meet }) => {
  await write(a, AUTHORITY, op('user.admin-set', { user: alice, admin: false }, root))
  await write(b, AUTHORITY, op('user.admin-set', { user: dave, admin: true }, alice))
  const friend = await write(b, AUTHORITY, userOp('friend', 99, true, dave))
  const outcome = await meet()
  expect(isAdmin(userRow(outcome, dave))).toBe(false)
  expect(outcome.tables.get('users', friend)).toBeUndefined()
  expect(
    decide({ kind: 'user', id: dave }, { on: 'system', action: 'user:create' }, outcome.tables).allow,
  ).toBe(false)
  // Listed, so that somebody can approve what was right.
  expect(reasons(outcome).filter(Boolean)).toEqual(['revoked', 'revoked'])
})

scenario(3, async ({ a, b, c, root, alice, write, hear, meet }) => {
  await write(a, AUTHORITY, op('user.admin-set', { user: alice, admin: false }, root))
  await hear(c, a)
  // B writes as if the year were 1970, on parents from before the removal, long after the others knew.
  b.time = 1
  const door = await write(b, AUTHORITY, userOp('door', 99, true, alice))
  const outcome = await meet()
  expect(outcome.tables.get('users', door)).toBeUndefined()
  expect(userByName(outcome.tables, 'door')).toBeUndefined()
})

scenario(4, async ({ a, b, root, alice, bob, write, meet }) => {
  await write(a, AUTHORITY, op('user.admin-set', { user: bob, admin: false }, alice))
  await write(b, AUTHORITY, op('user.admin-set', { user: alice, admin: false }, bob))
  const outcome = await meet()
  expect([alice, bob, root].map((user) => isAdmin(userRow(outcome, user)))).toEqual([false, false, true])
})

scenario(5, async ({ a, b, root, alice, bob, write, hear, meet }) => {
  await write(a, AUTHORITY, op('user.deleted', { user: bob }, root))
  await hear(b, a)
  await write(a, AUTHORITY, op('user.admin-set', { user: alice, admin: false }, 'node'))
  await write(b, AUTHORITY, op('user.admin-set', { user: root, admin: false }, 'node'))
  const outcome = await meet()
  expect([alice, root].filter((user) => isAdmin(userRow(outcome, user)))).toHaveLength(1)
  expect(reasons(outcome)).toContain('last-admin')
})

scenario(6, async ({ a, b, shop, carol, dave, root, write, meet }) => {
  await write(a, AUTHORITY, op('user.deleted', { user: dave }, root))
  await write(a, AUTHORITY, op('project.deleted', { project: shop }, carol))
  await write(b, AUTHORITY, op('user.profile-set', { user: dave, email: 'dave@example.org' }, root))
  await write(b, AUTHORITY, op('project.metadata-set', { project: shop, metadata: { public: 'true' } }, root))
  const outcome = await meet()
  expect([userByName(outcome.tables, 'dave'), projectByName(outcome.tables, 'shop')]).toEqual([
    undefined,
    undefined,
  ])
  expect(reasons(outcome).filter(Boolean)).toEqual(['deleted', 'deleted'])
})

scenario(7, async ({ a, b, carol, dave, root, write, meet }) => {
  const ofStore = (owner: string) =>
    op(
      'project.created',
      { name: 'store', number: 7, owner, ownerMember: 5, metadata: { public: 'true' } },
      owner,
    )
  const users = [
    await write(a, AUTHORITY, userOp('twin', 50, false, root)),
    await write(b, AUTHORITY, userOp('Twin', 51, false, root)),
  ]
  const projects = [await write(a, AUTHORITY, ofStore(carol)), await write(b, AUTHORITY, ofStore(dave))]
  const outcome = await meet()
  const names = users.map((id) => userName(outcome.tables, userRow(outcome, id)).toLowerCase()).sort()
  expect(names).toEqual(['twin', expect.stringMatching(/^twin~[0-9a-f]{4}$/)])
  const shown = projects.map((id) => projectName(outcome.tables, outcome.tables.get('projects', id) as never))
  expect(shown.sort()).toEqual(['store', expect.stringMatching(/^store~[0-9a-f]{4}$/)])
  const [ofCarol, ofDave] = projects as [string, string]
  expect([membershipOf(outcome.tables, ofCarol, dave), membershipOf(outcome.tables, ofDave, carol)]).toEqual([
    undefined,
    undefined,
  ])
  const hidden = projectByName(outcome.tables, shown.find((name) => name !== 'store') as string)
  const stranger = decide(
    { kind: 'anonymous' },
    { on: 'project', project: hidden?.id, action: 'project:read' },
    outcome.tables,
  )
  expect(stranger.allow).toBe(false)
})

scenario(8, async ({ a, b, shop, dave, carol, write, meet }) => {
  await write(
    b,
    AUTHORITY,
    op('project.metadata-set', { project: shop, metadata: { public: 'false' } }, carol),
  )
  const body = { project: shop, user: dave, role: 9, number: 9 }
  expect(await a.commit(AUTHORITY, { kind: 'member.granted', body, actor: carol })).toBeUndefined()
  const { tables } = await meet()
  expect(
    decide({ kind: 'user', id: dave }, { on: 'project', project: shop, action: 'project:read' }, tables)
      .allow,
  ).toBe(false)
})

scenario(9, async ({ a, b, dave, root, write, meet }) => {
  const to = (passwordHash: string, epoch: number, actor: string) =>
    op('user.password-set', { user: dave, passwordHash, epoch }, actor)
  await write(a, AUTHORITY, to(`${HASH}1`, 2, root))
  await write(a, AUTHORITY, to(`${HASH}2`, 3, root))
  await write(b, AUTHORITY, to(`${HASH}3`, 2, dave))
  expect(userRow(await meet(), dave).password).toMatchObject({ hash: `${HASH}2`, epoch: 3 })
})

scenario(10, async ({ a, b, dave, write, hear, meet }) => {
  const said = (groups: string[]) =>
    op('user.groups-set', { user: dave, source: 'ldap', groups, expiresAt: 5 }, 'node')
  await write(a, AUTHORITY, said(['admins', 'builders']))
  await hear(b, a)
  await write(b, AUTHORITY, said(['builders']))
  expect(userRow(await meet(), dave).groups['ldap']?.map(({ value }) => value.groups)).toEqual([['builders']])
})
