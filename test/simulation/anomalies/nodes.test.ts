import { expect } from 'vitest'
import { isAdmin, membershipOf } from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type Entry } from '../../../src/journal/op.ts'
import { mayDeleteBytes } from '../../../src/journal/stability.ts'
import { catalogAt, DIGESTS } from './content.ts'
import { HASH, NODES, recoveryOp, userOp } from './founding.ts'
import { scenario } from './scenario.ts'
import { liveWithJumps } from './times.ts'
import type { Outcome } from './variant.ts'

const [ONE, TWO] = DIGESTS
const [A, B] = NODES

function to(shop: string, actor: string, tag: string, digest = ONE) {
  return op('tag.moved', { projectId: shop, path: 'app', tag, digest }, actor)
}

scenario(16, async ({ a, b, shop, erin, write, hear }) => {
  const place = { projectId: shop, path: 'app', digest: ONE }
  await write(a, CATALOG, op('blob.linked', { ...place, size: 7 }, erin))
  await write(a, CATALOG, op('blob.unlinked', place, erin))
  const about = {
    referenced: a.tables.get('links', `${shop}/app\u0000${ONE}`) !== undefined,
    leased: false,
    unreferencedMs: 2,
    graceMs: 1,
    removals: [{ feed: `${CATALOG}@${A}`, seq: 2 }],
    members: [A, B],
  }
  const seen = () =>
    new Map([
      [A, a.sequencer.frontier()],
      [B, b.sequencer.frontier()],
    ])
  expect(mayDeleteBytes({ ...about, seen: seen() })).toBe(false)
  await hear(b, a)
  expect(mayDeleteBytes({ ...about, seen: seen() })).toBe(true)
})

scenario(17, async ({ a, b, shop, erin, write, hear, meet }) => {
  a.time = 2 ** 47
  await write(a, CATALOG, to(shop, erin, 'v1'))
  await hear(b, a)
  b.time = 1
  await write(b, CATALOG, to(shop, erin, 'v1', TWO))
  const values = (await meet()).tables.get('tags', `${shop}/app\u0000v1`)?.values
  expect(values?.map(({ value, time }) => [value, time])).toEqual([[TWO, 1]])
})

scenario(18, async () => {
  const still = { jump: 0, elapsed: 0 }
  for (const skew of [-61, -60, 0, 1859, 1860]) await liveWithJumps({ ...still, skew })
  for (const jump of [-(10 ** 12), 10 ** 12]) await liveWithJumps({ skew: 0, jump, elapsed: 5 })
})

scenario(19, async ({ a, b, c, shop, dave, carol, write, hear, meet }) => {
  const grant = op('member.granted', { project: shop, user: dave, role: 2, number: 9 }, carol)
  await write(b, AUTHORITY, grant)
  const backup = b.rest()
  await hear(a, b)
  await write(a, AUTHORITY, op('member.revoked', { project: shop, user: dave }, carol))
  const lost = await write(b, AUTHORITY, userOp('lost', 99, false, 'node'))
  await hear(c, b)
  await b.start(backup)
  // Without hearing first, it would write a number again that C holds with other words: C does not take it.
  const fork = {
    ...(b.entries().at(-1) as Entry),
    seq: c.sequencer.frontier()[`authority@${B}`] ?? 0,
    ops: [],
  }
  expect(await c.take([fork])).toBe(0)
  await hear(b, c)
  b.sequencer.continueAs('l2')
  await write(b, AUTHORITY, userOp('again', 98, false, 'node'))
  expect(b.entries().at(-1)?.life).toBe('l2')
  const { tables } = await meet()
  expect(membershipOf(tables, shop, dave)).toBeUndefined()
  expect(tables.get('users', lost)?.name).toBe('lost')
})

scenario(20, async ({ a, b, root, alice, bob, write, hear, meet }) => {
  await write(
    b,
    AUTHORITY,
    op('user.password-set', { user: root, passwordHash: `${HASH}stolen`, epoch: 2 }, alice),
  )
  await write(b, AUTHORITY, op('user.admin-set', { user: root, admin: false }, alice))
  await hear(a, b)
  await write(a, AUTHORITY, recoveryOp(root, 3))
  await write(a, AUTHORITY, op('user.admin-set', { user: alice, admin: false }, root))
  const { tables } = await meet()
  const admins = [root, alice, bob].map((user) => {
    const row = tables.get('users', user)
    return row !== undefined && isAdmin(row)
  })
  expect(admins).toEqual([true, false, true])
  expect(tables.get('users', root)?.password).toMatchObject({ hash: HASH, epoch: 3 })
})

scenario(21, async ({ a, b, c, shop, erin, root, write, hear, meet }) => {
  await write(b, CATALOG, to(shop, erin, 'shared'))
  await hear(a, b)
  const frontier = { ...catalogAt(a) }
  await write(b, CATALOG, to(shop, erin, 'face'))
  const door = await write(b, AUTHORITY, userOp('door', 99, true, 'node'))
  const [face] = b.entries().slice(-1) as [Entry]
  await hear(c, b)
  // The other face of the same number: whoever holds the first takes no second, and holds the proof.
  expect(await c.take([{ ...face, ops: [{ ...userOp('other', 98, true, 'node'), version: 1 }] }])).toBe(0)
  const evicts = (compromised: boolean) =>
    op('node.evicted', { node: B, compromised, frontier: compromised ? frontier : null, reason: '' }, root)
  const kept = ({ tables }: Outcome) =>
    ['shared', 'face'].filter((tag) => tables.get('tags', `${shop}/app\u0000${tag}`) !== undefined)
  // Gracefully: no decision of it that was not known counts, and what it acknowledged as pushed stays.
  await write(a, AUTHORITY, evicts(false))
  const graceful = await meet()
  expect(graceful.tables.get('users', door)).toBeUndefined()
  expect(kept(graceful)).toEqual(['shared', 'face'])
  // Compromised: what lies beyond the frontier goes, pushes too, and is listed.
  await write(c, AUTHORITY, evicts(true))
  const compromised = await meet()
  expect(kept(compromised)).toEqual(['shared'])
  expect(compromised.ops.map((one) => compromised.ineffective(one)?.reason)).toContain('evicted')
})

scenario(22, async ({ a, b, c, root, alice, write, hear, meet }) => {
  await write(a, AUTHORITY, op('user.admin-set', { user: alice, admin: false }, root))
  await hear(b, a)
  await write(b, AUTHORITY, userOp('carl', 99, false, root))
  // C is told what B wrote and not what A did: it takes nothing, and knows what it lacks.
  const [last] = b
    .entries()
    .filter(({ author }) => author === B)
    .slice(-1) as [Entry]
  expect(await c.take([last])).toBe(0)
  expect(c.sequencer.missing(last)).toMatchObject({ feed: `authority@${A}` })
  const row = (await meet()).tables.get('users', alice)
  expect(row && isAdmin(row)).toBe(false)
})

scenario(23, async ({ a, b, shop, erin, root, write, hear, meet }) => {
  await write(b, CATALOG, to(shop, erin, 'old'))
  await hear(a, b)
  const authority = Object.fromEntries(
    Object.entries(a.sequencer.frontier()).filter(([feed]) => feed.startsWith('authority@')),
  )
  const body = {
    lane: CATALOG,
    frontier: catalogAt(a),
    authority,
    stateHash: a.tables.hashOf('catalog'),
    digest: TWO,
    bytes: 1,
  }
  const snapshot = await write(a, AUTHORITY, op('lane.snapshotted', body, 'node'))
  await hear(b, a)
  await write(b, AUTHORITY, op('lane.attested', { snapshot }, 'node'))
  await hear(a, b)
  await write(b, CATALOG, to(shop, erin, 'new'))
  await write(
    a,
    AUTHORITY,
    op('node.evicted', { node: B, compromised: true, frontier: { [`authority@${B}`]: 1 }, reason: '' }, root),
  )
  const { tables } = await meet()
  expect(tables.get('snapshots', snapshot)?.signers).toEqual([A, B])
  const kept = ['old', 'new'].map((tag) => tables.get('tags', `${shop}/app\u0000${tag}`)?.values.length ?? 0)
  expect(kept).toEqual([1, 0])
})

for (const [promise, isVouchedFor, left] of [
  ['by its own word alone a snapshot of the evicted is no shield', false, 0],
  ["by another's word it is, though its author is out", true, 1],
] as const) {
  scenario(
    23,
    async ({ a, b, shop, erin, root, write, hear, meet }) => {
      await write(b, CATALOG, to(shop, erin, 'old'))
      const [lane, stateHash] = [CATALOG, b.tables.hashOf('catalog')]
      const body = { lane, frontier: catalogAt(b), authority: {}, stateHash, digest: TWO, bytes: 1 }
      const snapshot = await write(b, AUTHORITY, op('lane.snapshotted', body, 'node'))
      await hear(a, b)
      if (isVouchedFor) await write(a, AUTHORITY, op('lane.attested', { snapshot }, 'node'))
      const eviction = { node: B, compromised: true, frontier: {}, reason: '' }
      await write(a, AUTHORITY, op('node.evicted', eviction, root))
      const { tables } = await meet()
      expect(tables.get('snapshots', snapshot)).toBeUndefined()
      expect(tables.get('tags', `${shop}/app\u0000old`)?.values.length ?? 0).toBe(left)
    },
    promise,
  )
}
