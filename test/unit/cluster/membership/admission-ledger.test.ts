import { expect, onTestFinished, test } from 'vitest'
import { JournalAdmissions } from '../../../../cluster/membership/admission-ledger.ts'
import { MemberActs } from '../../../../cluster/membership/member-acts.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { Fault } from '../../../../src/errors.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../../src/journal/op.ts'
import { factsOf, foundSite, newCluster, newIdentity, user } from '../ledger/shipyard.ts'
import { networkKey, runtime } from '../network/cast.ts'

const NODE = { actor: 'node', permit: () => {} }
const TERMS = { ttlSeconds: 60, role: 'anchor', scope: null, approval: false, days: null } as const

async function office() {
  const plan = newCluster()
  const site = await foundSite(plan)
  const { journal } = site
  const roster = new TableRoster(journal, runtime)
  await roster.start()
  const key = { name: '0'.repeat(16), key: networkKey(), rank: null, until: null }
  const cluster = { clusterId: plan.clusterId, clusterName: 'test', genesis: plan.genesis }
  const admissions = new JournalAdmissions(
    { journal, roster, clock: runtime.clock, keys: () => [key] },
    cluster,
  )
  await admissions.start()
  onTestFinished(async () => {
    await admissions.stop()
    await roster.stop()
  })
  let invites = 0
  const invite = async (terms: Partial<Parameters<typeof admissions.record>[1]> = {}, by = NODE) => {
    const id = `invite-${++invites}`
    const expiresAt = runtime.clock.now() + 60_000
    await admissions.record({ id, verifier: 'v', expiresAt }, { ...TERMS, ...terms }, by)
    return id
  }
  const rotation = {
    prepare: () => ({
      name: '',
      record: () => op('network.key-rotated', { key: '0'.repeat(16), sealed: {} }, 'node'),
    }),
  }
  const acts = new MemberActs({ journal, rotation })
  const stateOf = (node: string) => journal.tables.get('nodes', node)?.state
  return { journal, roster, admissions, invite, acts, stateOf }
}

const facts = (name: string) => factsOf(name)

test('of a thousand nodes that redeem one invite at once exactly one is admitted', {
  timeout: 60_000,
}, async () => {
  const { admissions, invite, roster } = await office()
  const id = await invite()
  const nodes = Array.from({ length: 1_000 }, () => newIdentity().id)
  const results = await Promise.allSettled(nodes.map((node) => admissions.admit(id, node, facts('newcomer'))))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const codes = results.flatMap((one) => (one.status === 'rejected' ? (one.reason as Fault).code : []))
  expect(new Set(codes)).toEqual(new Set(['INVITE_USED']))
  expect(roster.members()).toHaveLength(2)
})

test('with a second consent a node waits, gets nothing, and is in once somebody else than the inviter agrees', async () => {
  const { journal, admissions, invite, acts, stateOf, roster } = await office()
  const { ids } = await journal.commit(AUTHORITY, () => [user('ada'), user('bob')])
  for (const id of ids)
    await journal.commit(AUTHORITY, () => [op('user.admin-set', { user: id, admin: true }, 'node')])
  const [ada, bob] = ids.map((actor) => ({ actor, permit: () => {} }))
  const id = await invite({ approval: true, role: 'replica', days: 10 }, ada)
  const node = newIdentity().id
  expect(await admissions.admit(id, node, facts('careful'))).toBe('pending')
  expect(await admissions.admit(id, node, facts('careful'))).toBe('pending')
  expect([stateOf(node), roster.isMember(node)]).toEqual(['pending', false])
  await expect(acts.approve('careful', ada as never)).rejects.toMatchObject({ code: 'SECOND_CONSENT_OWN' })
  await acts.approve('careful', bob as never)
  expect([stateOf(node), roster.isMember(node)]).toEqual(['member', true])
  expect(await admissions.admit(id, node, facts('careful'))).toMatchObject({ clusterName: 'test' })
  expect(journal.tables.get('nodes', node)).toMatchObject({ role: 'replica', notAfter: expect.any(Number) })
  await expect(acts.approve(node, bob as never)).rejects.toMatchObject({ code: 'NODE_NOT_PENDING' })
})

test('an invite that was withdrawn, or whose maker has lost the right to invite, lets nobody in', async () => {
  const { journal, admissions, invite } = await office()
  const withdrawn = await invite()
  await journal.commit(AUTHORITY, () => [op('invite.withdrawn', { invite: withdrawn }, 'node')])
  const node = newIdentity().id
  await expect(admissions.admit(withdrawn, node, facts('late'))).rejects.toMatchObject({
    code: 'INVITE_WITHDRAWN',
  })
  const { ids } = await journal.commit(AUTHORITY, () => [user('ada'), user('bob')])
  for (const id of ids)
    await journal.commit(AUTHORITY, () => [op('user.admin-set', { user: id, admin: true }, 'node')])
  const ada = ids[0] as string
  const orphan = await invite({}, { actor: ada, permit: () => {} })
  await journal.commit(AUTHORITY, () => [op('user.admin-set', { user: ada, admin: false }, 'node')])
  await expect(admissions.admit(orphan, node, facts('late'))).rejects.toMatchObject({ code: 'OP_REFUSED' })
})

test('the right to change who belongs is asked in the turn in which it is written', async () => {
  const { journal, admissions, invite, acts, stateOf } = await office()
  const id = await invite()
  const node = newIdentity().id
  await admissions.admit(id, node, facts('member'))
  const nobody = {
    actor: 'node',
    permit() {
      throw new Fault('FORBIDDEN', 'not any more')
    },
  }
  const forbidden = { code: 'FORBIDDEN' }
  await expect(invite({}, nobody as never)).rejects.toMatchObject(forbidden)
  const eviction = { compromised: false, acceptUntil: null, reason: '' }
  await expect(acts.evict('member', eviction, nobody)).rejects.toMatchObject(forbidden)
  await expect(acts.leave(nobody)).rejects.toMatchObject(forbidden)
  expect(stateOf(node)).toBe('member')
  await expect(acts.evict(journal.node, eviction, NODE)).rejects.toMatchObject({ code: 'NODE_IS_SELF' })
  await acts.evict('member', eviction, NODE)
  expect(stateOf(node)).toBe('evicted')
  await expect(admissions.admit(await invite(), node, facts('member'))).rejects.toMatchObject({
    code: 'NODE_EVICTED',
  })
})
