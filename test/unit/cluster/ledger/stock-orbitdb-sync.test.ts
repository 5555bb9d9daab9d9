import { join } from 'node:path'
import {
  IPFSAccessController,
  KeyValueIndexed,
  OrbitDBAccessController,
  type StockDatabase,
} from '@orbitdb/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { membershipOf } from '../../../../src/journal/effective.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { type StockPeer, startStock } from '../../../support/stock-orbitdb.ts'
import { agree, armada, connect, cut, type Ship } from './harbour.ts'
import { tag, temporary, user } from './shipyard.ts'

/** As stock-orbitdb.test.ts, of how what was written reaches others. */
const within = { timeout: 15_000, interval: 20 }
const TAG = `${'p'.repeat(22)}/app\u0000both`

async function stockPair(Database?: unknown): Promise<[StockPeer, StockPeer, StockDatabase, StockDatabase]> {
  const peers = []
  for (const name of ['a', 'b']) {
    const peer = await startStock(join(await temporary(), name))
    onTestFinished(() => peer.close())
    peers.push(peer)
  }
  const [a, b] = peers as [StockPeer, StockPeer]
  await b.dial(a.addresses()[0] as string)
  const options = { type: 'keyvalue', AccessController: IPFSAccessController({ write: ['*'] }) }
  const left = await a.orbitdb.open('log', { ...options, ...(Database !== undefined && { Database }) })
  const right = await b.orbitdb.open(left.address, {
    ...options,
    ...(Database !== undefined && { Database }),
  })
  await left.put('first', 1)
  await expect.poll(() => size(right), within).toBe(1)
  return [a, b, left, right]
}

async function size(db: StockDatabase): Promise<number> {
  return (await db.log.values()).length
}

async function pair(): Promise<[Ship, Ship]> {
  const { ships } = await armada(2)
  connect(...ships)
  await expect.poll(() => agree(...ships), within).toBe(true)
  return ships as [Ship, Ship]
}

test('what stock gossip loses over a link that stands stays lost until somebody writes; ours is asked for', async () => {
  const [a, , left, right] = await stockPair()
  const [here, there] = await pair()
  const stockPublish = vi.spyOn(a.libp2p.services['pubsub'] as { publish(): Promise<void> }, 'publish')
  const ourPublish = vi.spyOn(here.host, 'publish')
  onTestFinished(() => [stockPublish, ourPublish].forEach((spy) => spy.mockRestore()))
  stockPublish.mockResolvedValueOnce()
  ourPublish.mockResolvedValueOnce()
  await left.put('lost', 1)
  // Twice in a row, so that stock had as long as we need for two.
  for (const name of ['lost', 'lost-too']) {
    ourPublish.mockResolvedValueOnce()
    await here.journal.commit(CATALOG, () => [tag(name)])
    await expect.poll(() => agree(here, there), within).toBe(true)
  }
  expect([await size(left), await size(right)]).toEqual([2, 1])
  await left.put('next', 1)
  await expect.poll(() => size(right), within).toBe(3)
})

test('stock’s index keeps two values for one key in equal logs after a partition; our tables are equal', async () => {
  const [a, b, left, right] = await stockPair(KeyValueIndexed())
  await part(a, b)
  await left.put('both', 'left')
  await right.put('both', 'right')
  await meet(a, b)
  await expect.poll(() => Promise.all([left, right].map(size)), within).toEqual([3, 3])
  expect(await hashes(left)).toEqual(await hashes(right))
  // Each site’s readers see what the other site’s wrote.
  await expect.poll(() => left.get('both'), within).toBe('right')
  expect(await right.get('both')).toBe('left')

  const [here, there] = await pair()
  cut([here], [there])
  await expect.poll(() => here.host.connected(), within).toEqual([])
  await here.journal.commit(CATALOG, () => [tag('both', 'a')])
  await there.journal.commit(CATALOG, () => [tag('both', 'b')])
  connect(here, there)
  await expect.poll(() => agree(here, there), within).toBe(true)
  const row = here.journal.tables.get('tags', TAG)
  expect(row?.values).toHaveLength(2)
  expect(there.journal.tables.get('tags', TAG)).toEqual(row)
})

test('a grant on one side undoes stock’s revocation of somebody else on the other; ours stand side by side', async () => {
  const [a, b] = await stockPair()
  const write = [a, b].map(({ orbitdb }) => orbitdb.identity.id)
  const left = await a.open('guarded', OrbitDBAccessController({ write }))
  const right = await b.open(left.address)
  await left.access.grant('write', 'mallory')
  const holds = async ({ access }: StockDatabase, id: string) => (await access.get('write')).has(id)
  await expect.poll(() => holds(right, 'mallory'), within).toBe(true)
  await part(a, b)
  await left.access.revoke('write', 'mallory')
  await right.access.grant('write', 'bob')
  await right.access.grant('write', 'carol')
  await meet(a, b)
  await expect.poll(() => holds(left, 'carol'), within).toBe(true)
  expect(await Promise.all([left, right].map((db) => holds(db, 'mallory')))).toEqual([true, true])

  const [here, there] = await pair()
  const people = await here.journal.commit(AUTHORITY, () => ['mallory', 'bob'].map((name) => user(name)))
  const [mallory, bob] = people.ids as [string, string]
  const made = { name: 'guarded', number: 1, owner: mallory, ownerMember: 1, metadata: {} }
  const { ids } = await here.journal.commit(AUTHORITY, () => [op('project.created', made, 'node')])
  const project = ids[0] as string
  await expect.poll(() => agree(here, there), within).toBe(true)
  cut([here], [there])
  await expect.poll(() => here.host.connected(), within).toEqual([])
  await here.journal.commit(AUTHORITY, () => [op('member.revoked', { project, user: mallory }, 'node')])
  const granted = { project, user: bob, role: 2, number: 2 } as const
  await there.journal.commit(AUTHORITY, () => [op('member.granted', granted, 'node')])
  connect(here, there)
  await expect.poll(() => agree(here, there), within).toBe(true)
  for (const { journal } of [here, there]) {
    expect(membershipOf(journal.tables, project, mallory)).toBeUndefined()
    expect(membershipOf(journal.tables, project, bob)).toMatchObject({ role: 2 })
  }
})

async function part(a: StockPeer, b: StockPeer): Promise<void> {
  const pairs = [
    [a, b],
    [b, a],
  ] as const
  for (const [peer, other] of pairs) {
    peer.banned.add(other.libp2p.peerId.toString())
    await peer.libp2p.hangUp(other.libp2p.peerId)
  }
}

async function meet(a: StockPeer, b: StockPeer): Promise<void> {
  a.banned.clear()
  b.banned.clear()
  await b.dial(a.addresses()[0] as string)
}

async function hashes(db: StockDatabase): Promise<string[]> {
  return (await db.log.values()).map(({ hash }) => hash).sort()
}
