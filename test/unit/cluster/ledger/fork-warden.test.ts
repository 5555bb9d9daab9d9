import { cp } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ForkWarden } from '../../../../cluster/ledger/fork-warden.ts'
import { MemberActs } from '../../../../cluster/membership/member-acts.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { runtime } from '../network/cast.ts'
import { agree, connect, launch, type Ship } from './harbour.ts'
import { everything, fleet, openSite, type Plan, type Site, temporary, user, write } from './shipyard.ts'

const NODE = { actor: 'node', permit: () => {} }
/** A key of no wire: what a rotation writes is another test's matter. */
const rotation = {
  prepare: () => ({
    name: '',
    record: () => op('network.key-rotated', { key: '0'.repeat(16), sealed: {} }, 'node'),
  }),
}

async function guarded(plan: Plan, site: Site): Promise<Ship> {
  const ship = await launch(plan, site)
  const { journal } = site
  const roster = new TableRoster(journal, runtime)
  const acts = new MemberActs({ journal, rotation })
  const warden = new ForkWarden({
    journal,
    network: ship.host,
    roster,
    onCompared: (listener) => ship.replication.onCompared(listener),
    putOut: (node, reason) => acts.evict(node, { compromised: true, acceptUntil: 'now', reason }, NODE),
    ...runtime,
  })
  await roster.start()
  await warden.start()
  onTestFinished(async () => {
    await warden.stop()
    await roster.stop()
  })
  return ship
}

/** A member whose disk was copied after two entries: both copies wrote on, in the catalog and of people. */
async function twoFaced() {
  const { plan, founder, others } = await fleet(3)
  const [member, witness, third] = others as [Site, Site, Site]
  await write(member, 2, 'common')
  await member.close()
  const copy = await temporary()
  await cp(member.directory, copy, { recursive: true })
  const before = await openSite(plan, { identity: member.identity, directory: member.directory })
  const after = await openSite(plan, { identity: member.identity, directory: copy })
  await write(before, 3, 'before')
  await before.journal.commit(AUTHORITY, () => [user('ada')])
  await write(after, 1, 'after')
  await after.journal.commit(AUTHORITY, () => [user('bob'), user('eve')])
  return { plan, founder, witness, third, before, after, member: member.identity.id }
}

const tagAt = (site: Site, name: string) =>
  site.journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000${name}`)

test('members that hold different histories of a node come to hold the same, and put the node out', {
  timeout: 60_000,
}, async () => {
  const { plan, founder, witness, third, before, after, member } = await twoFaced()
  await founder.journal.take(await everything(before), 'x')
  await witness.journal.take(await everything(after), 'x')
  // Others have built on either history.
  await write(founder, 2, 'founder')
  await write(witness, 2, 'witness')
  await founder.journal.commit(AUTHORITY, () => [user('by-founder')])
  await witness.journal.commit(AUTHORITY, () => [user('by-witness')])
  const ships = [
    await guarded(plan, founder),
    await guarded(plan, witness),
    await guarded(plan, third),
  ] as const
  connect(...ships)
  const states = () => ships.map(({ journal }) => journal.tables.get('nodes', member)?.state)
  await expect.poll(states, { timeout: 30_000 }).toEqual(['evicted', 'evicted', 'evicted'])
  await expect.poll(() => agree(...ships), { timeout: 30_000 }).toBe(true)
  for (const { journal } of ships) {
    expect(journal.frontier()).toMatchObject({ [`${CATALOG}@${member}`]: 2 })
    expect(journal.frontier()[`${AUTHORITY}@${member}`]).toBeUndefined()
    expect(journal.quarantine.astray()).toEqual([])
  }
  for (const ship of ships) {
    for (const name of ['common-1', 'founder-1', 'witness-1']) expect(tagAt(ship, name)).toBeDefined()
    for (const name of ['before-0', 'after-0']) expect(tagAt(ship, name)).toBeUndefined()
  }
  const [a, b] = ships
  await expect.poll(() => a.replication.peers().get(b.host.self)?.sync, { timeout: 10_000 }).toBe('in-sync')
  // Everybody goes on: what was seen of the fork before is no hindrance.
  for (const [n, ship] of ships.entries()) {
    await ship.journal.commit(AUTHORITY, () => [user(`later-${n}`)])
    await write(ship, 1, `later-${n}`)
  }
  await expect.poll(() => agree(...ships), { timeout: 10_000 }).toBe(true)
  for (const ship of ships) {
    expect(tagAt(ship, 'later-2-0')).toBeDefined()
    expect(ship.journal.status().refused).not.toHaveProperty('CONTEXT_INVALID')
  }
  // It is remembered: a node that starts again holds the same.
  await b.sink()
  const again = await openSite(plan, { identity: witness.identity, directory: witness.directory })
  expect(again.journal.stateHash()).toBe(a.journal.stateHash())
})

test('a member that comes back from before a fork is handed the proof again, though it holds nothing of that log', {
  timeout: 60_000,
}, async () => {
  const { plan, founder, witness, third, before, after, member } = await twoFaced()
  await third.close()
  const backup = await temporary()
  await cp(third.directory, backup, { recursive: true })
  await founder.journal.take(await everything(before), 'x')
  await witness.journal.take(await everything(after), 'x')
  // What nobody can take in who waits for what lies behind the fork.
  await founder.journal.commit(AUTHORITY, () => [user('by-founder')])
  const a = await guarded(plan, founder)
  const b = await guarded(plan, witness)
  const place = { identity: third.identity, directory: third.directory }
  const c = await guarded(plan, await openSite(plan, place))
  connect(a, b, c)
  const stateAt = (ship: Ship) => ship.journal.tables.get('nodes', member)?.state
  await expect.poll(() => [a, b, c].map(stateAt), { timeout: 30_000 }).toEqual(Array(3).fill('evicted'))
  await expect.poll(() => agree(a, b, c), { timeout: 30_000 }).toBe(true)
  await c.sink()
  const back = await guarded(plan, await openSite(plan, { ...place, directory: backup }))
  expect(back.journal.quarantine.forks()).toEqual([])
  connect(a, b, back)
  await expect.poll(() => agree(a, b, back), { timeout: 30_000 }).toBe(true)
})

test('a proof that is none is not believed', async () => {
  const { founder, before } = await twoFaced()
  await founder.journal.take(await everything(before), 'x')
  const [one, two] = before.blocks as [Uint8Array, Uint8Array]
  await expect(founder.journal.quarantine.takeProof([one, one])).rejects.toMatchObject({
    code: 'FORK_UNPROVEN',
  })
  await expect(founder.journal.quarantine.takeProof([one, two])).rejects.toMatchObject({
    code: 'FORK_UNPROVEN',
  })
  expect(founder.journal.quarantine.forks()).toEqual([])
})
