import { expect, test } from 'vitest'
import { RoleBoundJournal } from '../../../src/access/role-bound-journal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type Lane, type NewOp } from '../../../src/journal/op.ts'
import type { NodeRole } from '../../../src/journal/rows.ts'
import {
  everything,
  factsOf,
  foundSite,
  newCluster,
  newIdentity,
  openSite,
  tag,
  user,
} from '../cluster/ledger/shipyard.ts'

/** A node of that role and of those tenants, as its doors write. */
async function nodeOf(role: NodeRole, scope: string[] | null = null) {
  const plan = newCluster()
  const founder = await foundSite(plan)
  const identity = newIdentity()
  const invite = 'invite-1'
  const facts = { ...factsOf('node'), addresses: [], swarm: [] }
  const terms = { role, scope, approval: false, days: null }
  const write = (one: NewOp) => founder.journal.commit(AUTHORITY, () => [one])
  await write(op('invite.created', { invite, verifier: 'v', expiresAt: 1, ...terms }, 'node'))
  await write(op('node.admitted', { node: identity.id, facts, invite, notAfter: null }, 'node'))
  const { ids } = await write(
    op('user.created', { ...(user('ada').body as object), admin: true } as never, 'node'),
  )
  const site = await openSite(plan, { identity })
  await site.journal.take(await everything(founder), 'x')
  const doors = new RoleBoundJournal(site.journal)
  const commit = (lane: Lane, one: NewOp) => doors.commit(lane, () => [one])
  return { site, commit, admin: ids[0] as string }
}

const forbidden = { code: 'NODE_ROLE_FORBIDS' }
const byUser = (actor: string) => ({ ...user('bob'), actor })

test('an anchor takes everything', async () => {
  const { commit, admin } = await nodeOf('anchor')
  await commit(AUTHORITY, user('eve'))
  await commit(AUTHORITY, byUser(admin))
  await commit(CATALOG, tag('v1'))
})

test('a replica decides for users, not for its operator', async () => {
  const { commit, admin } = await nodeOf('replica')
  await expect(commit(AUTHORITY, user('eve'))).rejects.toMatchObject(forbidden)
  await commit(AUTHORITY, byUser(admin))
  await commit(CATALOG, tag('v1'))
})

test('an edge takes pushes and no decisions', async () => {
  const { commit, admin, site } = await nodeOf('edge')
  const before = site.journal.frontier()
  await expect(commit(AUTHORITY, byUser(admin))).rejects.toMatchObject({
    ...forbidden,
    // Who does is named: the account may, the node may not.
    message: 'an edge takes no decisions, only pushes and pulls: ask at founder (anchor)',
    facts: { role: 'edge', kind: 'user.created', nodes: ['founder (anchor)'] },
  })
  expect(site.journal.frontier()).toEqual(before)
  await commit(CATALOG, tag('v1'))
})

test('a readonly node says that it is there, and nothing else', async () => {
  const { commit, admin } = await nodeOf('readonly')
  await expect(commit(CATALOG, tag('v1'))).rejects.toMatchObject(forbidden)
  await expect(commit(AUTHORITY, byUser(admin))).rejects.toMatchObject(forbidden)
  const facts = { ...factsOf('elsewhere'), addresses: [], swarm: [] }
  await commit(AUTHORITY, op('node.announced', { facts }, 'node'))
})

test('a node of one tenant takes no pushes for another', async () => {
  const { commit } = await nodeOf('edge', ['shop'])
  await expect(commit(CATALOG, tag('v1'))).rejects.toMatchObject({
    code: 'NODE_SCOPE_FORBIDS',
    facts: { tenant: 'system' },
  })
})
