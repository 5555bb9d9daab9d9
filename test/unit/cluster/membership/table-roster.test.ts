import { expect, test } from 'vitest'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../../src/journal/op.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { systemTimers } from '../../../../src/runtime/timers.ts'
import { admit, factsOf, foundSite, newCluster, newIdentity, openSite } from '../ledger/shipyard.ts'

const TIME = { clock: systemClock, timers: systemTimers }

test('the roster is what the records say, from the start and from then on', async () => {
  const plan = newCluster()
  const site = await foundSite(plan)
  const early = newIdentity().id
  await admit(site, early, 'early')
  const roster = new TableRoster(site.journal, TIME)
  await roster.start()
  expect(
    roster
      .members()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['early', 'founder'])
  expect(roster.get(early)).toEqual({
    ...withoutKey('early'),
    id: early,
    state: 'member',
    role: 'anchor',
    notAfter: null,
    admittedBy: plan.founder.id,
  })

  let changes = 0
  const unfollow = roster.onChange(() => changes++)
  const late = newIdentity().id
  await admit(site, late, 'late')
  expect(changes).toBe(1)
  expect(roster.isMember(late)).toBe(true)
  await site.journal.commit(AUTHORITY, () => [
    op('node.evicted', { node: late, compromised: false, frontier: null, reason: '' }, 'node'),
  ])
  expect(roster.isMember(late)).toBe(false)
  expect(roster.get(late)?.state).toBe('evicted')
  expect(roster.get('12D3KooWNobody')).toBeUndefined()
  unfollow()
  const facts = { ...factsOf('founder'), addresses: ['/ip4/10.0.0.1/tcp/1'], swarm: ['10.0.0.1:2'] }
  await site.journal.commit(AUTHORITY, () => [op('node.announced', { facts }, 'node')])
  expect(roster.get(plan.founder.id)).toMatchObject({
    addresses: ['/ip4/10.0.0.1/tcp/1'],
    swarm: ['10.0.0.1:2'],
  })
  expect(changes).toBe(2)
  await roster.stop()
})

test('a member admitted while the roster reads the table is in it', async () => {
  const site = await foundSite(newCluster())
  const roster = new TableRoster(site.journal, TIME)
  const starting = roster.start()
  const node = newIdentity().id
  await admit(site, node)
  await starting
  expect(roster.isMember(node)).toBe(true)
  await roster.stop()
})

test('a newcomer’s roster is empty until it hears of the cluster', async () => {
  const plan = newCluster()
  const founder = await foundSite(plan)
  const newcomer = await openSite(plan)
  const roster = new TableRoster(newcomer.journal, TIME)
  await roster.start()
  expect(roster.members()).toEqual([])
  await newcomer.journal.take(founder.blocks, 'x')
  expect(roster.members().map(({ id }) => id)).toEqual([plan.founder.id])
  await roster.stop()
})

function withoutKey(name: string) {
  const { tokenKey: _, ...facts } = factsOf(name)
  return facts
}
