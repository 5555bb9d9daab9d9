import { cp } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ForkWarden } from '../../../../cluster/ledger/fork-warden.ts'
import { MemberActs } from '../../../../cluster/membership/member-acts.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { openDisk } from '../../../support/disk.ts'
import { runtime } from '../network/cast.ts'
import { type ArmedShip, arm, armedNewcomer, moor, STILL, signers, snapshotsAt } from './armed.ts'
import { agree, cut } from './harbour.ts'
import {
  admit,
  everything,
  foundSite,
  newCluster,
  newIdentity,
  openSite,
  type Plan,
  type Site,
  temporary,
  user,
  write,
} from './shipyard.ts'

const NODE = { actor: 'node', permit: () => {} }
const rotation = {
  prepare: () => ({
    name: '',
    record: () => op('network.key-rotated', { key: '0'.repeat(16), sealed: {} }, 'node'),
  }),
}
const VOUCHING = { ...STILL, checkMs: 50 }
const within = { timeout: 30_000, interval: 20 }

/** A ship whose journal reads from its own hold what a snapshot stands for. */
async function laden(plan: Plan, member: Parameters<typeof openSite>[1], founder?: Site): Promise<ArmedShip> {
  const hold = await temporary()
  const disk = await openDisk(hold)
  onTestFinished(() => disk.close())
  const { blobs } = disk
  const site = founder ? await openSite(plan, { ...member, blobs }) : await founding(plan, blobs)
  if (founder) await site.journal.take(await everything(founder), founder.identity.id)
  return arm(plan, site, VOUCHING, hold)
}

async function founding(plan: Plan, blobs: ArmedShip['blobs']): Promise<Site> {
  const site = await foundSite(plan)
  await site.close()
  return openSite(plan, { identity: plan.founder, directory: site.directory, blobs })
}

async function guard(ship: ArmedShip): Promise<ForkWarden> {
  const { journal, host, replication } = ship
  const roster = new TableRoster(journal, runtime)
  const acts = new MemberActs({ journal, rotation })
  const warden = new ForkWarden({
    journal,
    network: host,
    roster,
    onCompared: (listener) => replication.onCompared(listener),
    snapshots: replication,
    putOut: (node, reason) => acts.evict(node, { compromised: true, acceptUntil: 'now', reason }, NODE),
    ...runtime,
  })
  await roster.start()
  await warden.start()
  onTestFinished(async () => {
    await warden.stop()
    await roster.stop()
  })
  return warden
}

/** Two members, and a third that has written `common` and was put away; all hold the same. */
async function atRest() {
  const plan = newCluster()
  const a = await laden(plan, {})
  const [other, third] = [newIdentity(), newIdentity()]
  await admit(a, other.id, 'other')
  await admit(a, third.id, 'third')
  const b = await laden(plan, { identity: other }, a)
  const x = await laden(plan, { identity: third }, a)
  moor(a, b, x)
  await Promise.all([write(a, 6, 'a'), write(b, 6, 'b'), write(x, 6, 'common')])
  await expect.poll(() => agree(a, b, x), within).toBe(true)
  return { plan, a, b, x, feed: `${CATALOG}@${third.id}` }
}

async function prunedBy(...ships: ArmedShip[]): Promise<string> {
  const [a] = ships as [ArmedShip]
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => signers(a, id), within).toBe(3)
  await expect.poll(() => agree(...ships), within).toBe(true)
  for (const ship of ships) await expect.poll(() => ship.replication.prune(), within).toEqual([CATALOG])
  return id
}

const tagAt = (site: Site, name: string) =>
  site.journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000${name}`)

test('a fork behind what a snapshot stands for is straightened, from that snapshot on', {
  timeout: 90_000,
}, async () => {
  const { plan, a, b, x, feed } = await atRest()
  await prunedBy(a, b, x)
  await x.sink()
  const copy = await temporary()
  await cp(x.directory, copy, { recursive: true })
  cut([a], [b])
  const before = await openSite(plan, { identity: x.identity, directory: x.directory })
  const after = await openSite(plan, { identity: x.identity, directory: copy })
  await write(before, 3, 'before')
  await before.journal.commit(AUTHORITY, () => [user('ada')])
  await write(after, 1, 'after')
  await after.journal.commit(AUTHORITY, () => [user('eve'), user('bob')])
  expect((await a.journal.take(before.blocks, 'x')).applied).toBe(4)
  expect((await b.journal.take(after.blocks, 'x')).applied).toBe(2)
  await write(a, 2, 'a-later')
  await write(b, 2, 'b-later')
  const wardens = [await guard(a), await guard(b)]
  moor(a, b)
  const stateAt = (ship: ArmedShip) => ship.journal.tables.get('nodes', x.identity.id)?.state
  await expect.poll(() => [stateAt(a), stateAt(b)], within).toEqual(['evicted', 'evicted'])
  await expect.poll(() => agree(a, b), within).toBe(true)
  for (const ship of [a, b]) {
    expect(ship.journal.frontier()[feed]).toBe(6)
    for (const name of ['common-5', 'a-0', 'b-0', 'a-later-1', 'b-later-1'])
      expect(tagAt(ship, name)).toBeDefined()
    for (const name of ['before-0', 'after-0']) expect(tagAt(ship, name)).toBeUndefined()
    expect(ship.journal.lanes.floor(CATALOG)).toBeDefined()
  }
  expect(wardens.map(({ failure }) => failure)).toEqual([undefined, undefined])
  // They go on, also after a restart.
  await write(a, 1, 'on')
  await expect.poll(() => agree(a, b), within).toBe(true)
  const hash = a.journal.stateHash()
  await b.sink()
  const again = await openSite(plan, { identity: b.identity, directory: b.directory })
  expect(again.journal.stateHash()).toBe(hash)
  expect((await again.journal.inspect()).tables).toEqual([])
})

test('a fork within what a snapshot stands for ends there, also at members that still had the log', {
  timeout: 90_000,
}, async () => {
  const { plan, a, b, x, feed } = await atRest()
  await x.sink()
  const copy = await temporary()
  await cp(x.directory, copy, { recursive: true })
  const rival = await openSite(plan, { identity: x.identity, directory: copy })
  await write(rival, 1, 'rival')
  const back = await openSite(plan, { identity: x.identity, directory: x.directory })
  const reborn = await arm(plan, back, VOUCHING, x.hold)
  moor(a, b, reborn)
  await write(reborn, 2, 'more')
  await expect.poll(() => agree(a, b, reborn), within).toBe(true)
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => signers(a, id), within).toBe(3)
  await expect.poll(() => agree(a, b, reborn), within).toBe(true)
  await expect.poll(() => a.replication.prune(), within).toEqual([CATALOG])
  await reborn.sink()
  await write(b, 1, 'tail')
  await Promise.all([guard(a), guard(b)])
  // The one that has the log finds the proof; it takes back what the other cannot.
  await b.journal.take(rival.blocks, 'x')
  expect(b.journal.status().forks).toMatchObject([{ feed, seq: 7 }])
  const stateAt = (ship: ArmedShip) => ship.journal.tables.get('nodes', x.identity.id)?.state
  await expect.poll(() => [stateAt(a), stateAt(b)], within).toEqual(['evicted', 'evicted'])
  await expect.poll(() => [a, b].map(({ journal }) => journal.frontier()[feed]), within).toEqual([8, 8])
  await expect.poll(() => agree(a, b), within).toBe(true)
  for (const ship of [a, b]) {
    for (const name of ['common-5', 'more-1', 'tail-0']) expect(tagAt(ship, name)).toBeDefined()
    expect(tagAt(ship, 'rival-0')).toBeUndefined()
  }
  // What the other had taken back counts again, so nobody has to decide about it.
  const listed = async () => {
    const rows: string[] = []
    for await (const { key } of b.journal.tables.list('retracted')) rows.push(key)
    return rows
  }
  await expect.poll(listed, within).toEqual([])
  await write(b, 1, 'on')
  await expect.poll(() => agree(a, b), within).toBe(true)
})

test('what somebody wrote who was let in behind a fork stays where a snapshot stands for it, for everybody', {
  timeout: 90_000,
}, async () => {
  const { plan, a, b, x } = await atRest()
  await x.sink()
  const copy = await temporary()
  await cp(x.directory, copy, { recursive: true })
  const rival = await openSite(plan, { identity: x.identity, directory: copy })
  await rival.journal.commit(AUTHORITY, () => [user('rival')])
  const back = await openSite(plan, { identity: x.identity, directory: x.directory })
  const reborn = await arm(plan, back, VOUCHING, x.hold)
  const identity = newIdentity()
  await admit(reborn, identity.id, 'newcomer')
  const newcomer = await laden(plan, { identity }, reborn)
  moor(a, b, reborn, newcomer)
  // Of one entry the log is still there: it can be asked for, and is of use to nobody.
  await write(newcomer, 1, 'newcomer')
  await expect.poll(() => agree(a, b, reborn, newcomer), within).toBe(true)
  const id = (await a.replication.snapshot(CATALOG)) as string
  await expect.poll(() => signers(a, id), within).toBeGreaterThanOrEqual(3)
  await expect.poll(() => agree(a, b, reborn, newcomer), within).toBe(true)
  await expect.poll(() => a.replication.prune(), within).toEqual([CATALOG])
  await Promise.all([reborn.sink(), newcomer.sink()])
  await write(b, 1, 'tail')
  await Promise.all([guard(a), guard(b)])
  // The one that has the log finds the proof; it takes back what the other cannot.
  await b.journal.take(rival.blocks, 'x')
  const stateAt = (ship: ArmedShip) => ship.journal.tables.get('nodes', x.identity.id)?.state
  await expect.poll(() => [stateAt(a), stateAt(b)], within).toEqual(['evicted', 'evicted'])
  const heldOf = (ship: ArmedShip) => ship.journal.frontier()[`${CATALOG}@${identity.id}`]
  await expect.poll(() => [heldOf(a), heldOf(b)], within).toEqual([1, 1])
  await expect.poll(() => agree(a, b), within).toBe(true)
  for (const ship of [a, b]) {
    expect(ship.journal.tables.get('nodes', identity.id)).toBeUndefined()
    for (const name of ['common-5', 'newcomer-0', 'tail-0']) expect(tagAt(ship, name)).toBeDefined()
  }
  await write(b, 1, 'on')
  await expect.poll(() => agree(a, b), within).toBe(true)
})

test('where a fork takes back what stands for log that is gone, the lane is written down anew, and newcomers come by that', {
  timeout: 90_000,
}, async () => {
  const { plan, a, b, x } = await atRest()
  await x.sink()
  const copy = await temporary()
  await cp(x.directory, copy, { recursive: true })
  const rival = await openSite(plan, { identity: x.identity, directory: copy })
  await rival.journal.commit(AUTHORITY, () => [user('rival')])
  const back = await openSite(plan, { identity: x.identity, directory: x.directory })
  const reborn = await arm(plan, back, VOUCHING, x.hold)
  moor(a, b, reborn)
  await expect.poll(() => agree(a, b, reborn), within).toBe(true)
  const id = await prunedBy(reborn, a, b)
  await reborn.sink()
  await Promise.all([guard(a), guard(b)])
  await b.journal.take(rival.blocks, 'x')
  const stateAt = (ship: ArmedShip) => ship.journal.tables.get('nodes', x.identity.id)?.state
  await expect.poll(() => [stateAt(a), stateAt(b)], within).toEqual(['evicted', 'evicted'])
  const standing = async (ship: ArmedShip) =>
    (await snapshotsAt(ship)).filter(({ signers: by }) => by.length > 1)
  await expect.poll(async () => (await standing(a)).length, within).toBeGreaterThan(0)
  expect((await standing(a)).map((one) => one.id)).not.toContain(id)
  await expect.poll(() => agree(a, b), within).toBe(true)
  const newcomer = await armedNewcomer(plan, a)
  // It is handed the proof, or it would wait for what others had seen behind the fork.
  await guard(newcomer)
  moor(a, b, newcomer)
  await expect.poll(() => agree(a, b, newcomer), within).toBe(true)
  expect(tagAt(newcomer, 'common-5')).toBeDefined()
})
