import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Entry,
  IPFSAccessController,
  type LogEntry,
  OrbitDBAccessController,
  type StockDatabase,
} from '@orbitdb/core'
import { ClassicLevel } from 'classic-level'
import { expect, onTestFinished, test, vi } from 'vitest'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { type StockPeer, startStock } from '../../../support/stock-orbitdb.ts'
import {
  admit,
  everything,
  fleet,
  forge,
  foundSite,
  newCluster,
  newIdentity,
  nextEntry,
  openSite,
  type Site,
  tag,
  temporary,
  user,
  write,
} from './shipyard.ts'

/**
 * Why OrbitDB is the log here and nothing more: each test shows a fault of the stock parts, in the version that
 * is installed, and that the same attempt fails on ours.
 */
const within = { timeout: 15_000, interval: 20 }

async function stock(): Promise<StockPeer> {
  const peer = await startStock(join(await temporary(), 'stock'))
  onTestFinished(() => peer.close())
  // It tells the console of every entry it cannot take in.
  const silenced = vi.spyOn(console, 'error').mockImplementation(() => {})
  onTestFinished(() => silenced.mockRestore())
  return peer
}

async function size(db: StockDatabase): Promise<number> {
  return (await db.log.values()).length
}

/** An entry signed by `peer`, as a program of its own might make it. */
async function craft(
  peer: StockPeer,
  db: StockDatabase,
  { time = 1, identity }: { time?: number; identity?: string },
): Promise<LogEntry> {
  const { identity: own } = peer.orbitdb
  const payload = { op: 'PUT', key: 'k', value: 'v' }
  const clock = { id: own.publicKey, time }
  const made = await Entry.create(own, db.address, payload, undefined, clock, [], [])
  const { bytes } = await Entry.encode({ ...made, ...(identity && { identity }) } as LogEntry)
  return Entry.decode(bytes)
}

test('stock answers before anything is on stable storage; we answer after', async () => {
  const peer = await stock()
  const db = await peer.open('log')
  const site = await foundSite(newCluster())
  const put = vi.spyOn(ClassicLevel.prototype, 'put')
  const batch = vi.spyOn(ClassicLevel.prototype, 'batch')
  onTestFinished(() => [put, batch].forEach((spy) => spy.mockRestore()))
  const synced = () =>
    [...put.mock.calls.map((call) => call.at(2)), ...batch.mock.calls.map((call) => call.at(1))].map(
      (options) => (options as { sync?: boolean } | undefined)?.sync === true,
    )

  await db.put('k', 'v')
  expect(synced().length).toBeGreaterThan(0)
  expect(synced()).not.toContain(true)

  put.mockClear()
  batch.mockClear()
  await site.journal.commit(CATALOG, () => [tag('k')])
  expect(synced()).toEqual([true])
})

test('stock takes an attacker’s entry under a writer’s name; we refuse it', async () => {
  const [writer, attacker] = [await stock(), await stock()]
  await attacker.dial(writer.addresses()[0] as string)
  const write = [writer.orbitdb.identity.id]
  const db = await writer.open('only-mine', IPFSAccessController({ write }))
  await expect(db.log.joinEntry(await craft(attacker, db, {}))).rejects.toThrow('not allowed to write')
  const forged = await craft(attacker, db, { identity: writer.orbitdb.identity.hash })
  expect(forged.key).not.toBe(writer.orbitdb.identity.publicKey)
  await expect(db.log.joinEntry(forged)).resolves.toBe(true)
  expect(await db.get('k')).toBe('v')

  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  const entry = { ...nextEntry(founder, [{ ...user('mallory'), version: 1 }]), depth: 99 }
  const inFoundersName = await forge(plan, newIdentity(), entry, {
    unsigned: { identity: founder.identity.id },
  })
  expect(await member.journal.take([inFoundersName], 'x')).toMatchObject({ applied: 0, refused: 1 })
  expect(member.journal.status().refused).toEqual({ ENTRY_FORGED: 1 })
})

test('stock keeps a newcomer from everything once one writer is revoked, though others hold it', async () => {
  const [owner, revoked, newcomer] = [await stock(), await stock(), await stock()]
  await revoked.dial(owner.addresses()[0] as string)
  const controller = OrbitDBAccessController({ write: [owner.orbitdb.identity.id] })
  const db = await owner.open('guarded', controller)
  await db.access.grant('write', revoked.orbitdb.identity.id)
  const theirs = await revoked.open(db.address)
  const { id } = revoked.orbitdb.identity
  await expect.poll(async () => (await theirs.access.get('write')).has(id), within).toBe(true)
  await db.put('a1', 1)
  await expect.poll(() => size(theirs), within).toBe(1)
  await theirs.put('b1', 1)
  await expect.poll(() => size(db), within).toBe(2)
  await db.access.revoke('write', id)
  await db.put('a2', 1)

  await newcomer.dial(owner.addresses()[0] as string)
  const late = await newcomer.open(db.address)
  await expect.poll(async () => (await late.access.get('admin')).size, within).toBe(1)
  await expect.poll(async () => (await late.access.get('write')).size, within).toBe(0)
  const [head] = await db.log.heads()
  await expect(late.log.joinEntry(head as LogEntry)).rejects.toThrow('not allowed to write')
  // The same list at both, and yet: what came before the revocation here is refused there, for good.
  expect(await db.access.get('write')).toEqual(await late.access.get('write'))
  expect([await size(db), await size(late)]).toEqual([3, 0])
})

test('a newcomer of ours takes in an evicted member’s history, in whatever order it comes', async () => {
  const plan = newCluster()
  const founder = await foundSite(plan)
  const evicted = await openSite(plan)
  await admit(founder, evicted.identity.id)
  await evicted.journal.take(await everything(founder), 'x')
  await write(evicted, 3, 'theirs')
  const { blocks } = evicted
  await founder.journal.take(blocks, 'x')
  const eviction = op(
    'node.evicted',
    { node: evicted.identity.id, compromised: false, frontier: null, reason: 'gone' },
    'node',
  )
  await founder.journal.commit(AUTHORITY, () => [eviction])
  const authority = (await everything(founder)).filter((block) => !blocks.some((one) => same(one, block)))

  const [entriesLast, entriesFirst] = [await openSite(plan), await openSite(plan)]
  await entriesLast.journal.take(authority, 'x')
  await entriesLast.journal.take(blocks, 'x')
  await entriesFirst.journal.take(blocks, 'x')
  await entriesFirst.journal.take([...authority, ...blocks], 'x')
  for (const { journal } of [entriesLast, entriesFirst]) {
    expect(journal.frontier()).toMatchObject({ [`${CATALOG}@${evicted.identity.id}`]: 3 })
    expect(journal.position()).toEqual(founder.journal.position())
  }
})

test('while stock looks for the author of junk it writes nothing; ours goes on', async () => {
  const [writer, attacker] = [await stock(), await stock()]
  await attacker.dial(writer.addresses()[0] as string)
  const db = await writer.open('log')
  const theirs = await attacker.open(db.address)
  await db.put('first', 1)
  await expect.poll(() => size(theirs), within).toBe(1)
  const joining = vi.spyOn(db.log, 'joinEntry')
  const nobodys = await craft(attacker, db, { identity: (await craft(attacker, db, { time: 7 })).hash })
  const { bytes } = await Entry.encode(nobodys)
  const gossip = attacker.libp2p.services['pubsub'] as {
    publish(topic: string, data: Uint8Array): Promise<unknown>
  }
  await gossip.publish(db.address, bytes)
  await expect.poll(() => joining.mock.calls.length, within).toBe(1)
  let answered = false
  const put = db.put('second', 1).then(() => {
    answered = true
  })

  const site = await foundSite(newCluster())
  expect(await site.journal.take([bytes], 'x')).toMatchObject({ refused: 1 })
  await write(site, 100)
  expect(answered).toBe(false)
  writer.giveUp()
  await put
})

test.each([2 ** 53 - 1, 1e308])('stock lets a clock of %d stop everybody’s; we refuse it', async (time) => {
  const peer = await stock()
  const db = await peer.open('log')
  await db.put('before', 1)
  await expect(db.log.joinEntry(await craft(peer, db, { time }))).resolves.toBe(true)
  const hashes = [await db.put('x', 1), await db.put('x', 2), await db.put('x', 3)]
  const times = (await db.log.values())
    .filter(({ hash }) => hashes.includes(hash))
    .map(({ clock }) => clock.time)
  // Two writes one after another have one time: their order is lost.
  expect(new Set(times).size).toBeLessThan(times.length)

  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  const before = member.journal.position()
  const base = nextEntry(founder, [{ ...user('x'), version: 1 }])
  const clock = { id: 'x', time }
  const poisoned = [
    await forge(plan, founder.identity, base, { clock }),
    await forge(plan, founder.identity, { ...base, seq: time, depth: time }),
    await forge(plan, founder.identity, { ...base, depth: time }),
  ]
  expect(await member.journal.take(poisoned, 'x')).toMatchObject({ applied: 0, refused: 3 })
  expect(member.journal.position()).toEqual(before)
})

test('stock imports a package it does not declare; we declare it for it', () => {
  const core = dirname(dirname(fileURLToPath(import.meta.resolve('@orbitdb/core'))))
  const declared = (directory: string) => {
    const { dependencies } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    return Object.keys(dependencies)
  }
  const storage = readFileSync(join(core, 'src/storage/ipfs-block.js'), 'utf8')
  expect(storage).toContain("from 'it-drain'")
  expect(declared(core)).not.toContain('it-drain')
  expect(declared(join(import.meta.dirname, '../../../..'))).toContain('it-drain')
})

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
