import { cp } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { Fault } from '../../../../src/errors.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { agree, armada, connect, launch } from './harbour.ts'
import { everything, fleet, openSite, type Site, tag, temporary, user, write } from './shipyard.ts'

/** A member that was restored from a backup taken after its first two entries, while the others had all five. */
async function restored() {
  const { plan, founder, others } = await fleet(2)
  const [member, witness] = others as [Site, Site]
  await write(member, 2, 'common')
  const backup = await temporary()
  await member.journal.close()
  await member.store.close()
  await cp(member.directory, backup, { recursive: true })
  const before = await openSite(plan, { identity: member.identity, directory: member.directory })
  await write(before, 3, 'before')
  const after = await openSite(plan, { identity: member.identity, directory: backup })
  await write(after, 2, 'after')
  const feed = `${CATALOG}@${member.identity.id}`
  return { plan, founder, witness, before, after, feed }
}

test('two entries of one number are proof of a fork, and the feed goes no further', async () => {
  const { founder, before, after, feed } = await restored()
  await founder.journal.take(await everything(before), 'x')
  expect(founder.journal.frontier()[feed]).toBe(5)
  const taken = await founder.journal.take(after.blocks, 'x')
  expect(taken).toMatchObject({ applied: 0 })
  const status = founder.journal.status()
  expect(status.forks).toEqual([{ feed, seq: 3, held: expect.any(String), rival: expect.any(String) }])
  expect(status.refused).toMatchObject({ FORK: 1 })
  await write(before, 1, 'more')
  expect(await founder.journal.take(before.blocks, 'x')).toMatchObject({ applied: 0 })
  expect(founder.journal.frontier()[feed]).toBe(5)
})

test('a proven fork is remembered over a restart', async () => {
  const { plan, founder, before, after, feed } = await restored()
  await founder.journal.take(await everything(before), 'x')
  await founder.journal.take(after.blocks, 'x')
  await founder.close()
  const again = await openSite(plan, { identity: plan.founder, directory: founder.directory })
  expect(again.journal.status().forks.map((fork) => fork.feed)).toEqual([feed])
})

test('a member may say anything of another’s feed: without a signed rival there is no fork', async () => {
  const { founder, before, feed } = await restored()
  await founder.journal.take(await everything(before), 'x')
  expect(founder.journal.wanted(new Map([[feed, { seq: 5, hash: 'zdpuSomethingElse' }]]))).toEqual([
    { feed, from: 5, to: 5 },
  ])
  expect(await founder.journal.take(before.blocks, 'x')).toMatchObject({ applied: 0, refused: 0 })
  expect(founder.journal.status().forks).toEqual([])
})

test('the feeds of the honest go on although some of them had seen the other branch', async () => {
  const { founder, witness, before, after, feed } = await restored()
  await founder.journal.take(await everything(before), 'x')
  await witness.journal.take(await everything(after), 'x')
  await write(witness, 2, 'witness')
  await write(founder, 2, 'founder')
  await founder.journal.take(await everything(witness), 'x')
  await witness.journal.take(await everything(founder), 'x')
  for (const site of [founder, witness]) {
    expect(site.journal.status().forks.map((fork) => fork.feed)).toEqual([feed])
    expect(site.journal.frontier()).toMatchObject({
      [`${CATALOG}@${founder.identity.id}`]: 2,
      [`${CATALOG}@${witness.identity.id}`]: 2,
    })
  }
  await write(founder, 1, 'later')
  expect(await witness.journal.take(founder.blocks, 'x')).toMatchObject({ applied: 1 })
})

test('a node whose own feed is forked writes no more', async () => {
  const { before, after } = await restored()
  await after.journal.take(before.blocks, 'x')
  expect(after.journal.status()).toMatchObject({ writable: false })
  await expect(after.journal.commit(AUTHORITY, () => [user('u')])).rejects.toMatchObject({
    code: 'JOURNAL_READ_ONLY',
  })
})

test('what was being written when the proof came is not acknowledged', async () => {
  const { before, after, feed } = await restored()
  const write = after.store.write.bind(after.store)
  vi.spyOn(after.store, 'write').mockImplementationOnce(async (batch) => {
    await after.journal.take(before.blocks, 'x')
    await write(batch)
  })
  await expect(after.journal.commit(CATALOG, () => [tag('late')])).rejects.toMatchObject({
    code: 'JOURNAL_READ_ONLY',
  })
  expect(after.journal.status().forks.map((fork) => fork.feed)).toEqual([feed])
  expect(after.journal.frontier()[feed]).toBe(5)
})

test('of two forks of one feed that are proven at once the earlier is kept, whichever comes first', async () => {
  const { founder, witness, before, after, feed } = await restored()
  const proof = (index: number) => [before.blocks[index], after.blocks[index]] as [Uint8Array, Uint8Array]
  for (const [{ journal }, order] of [[founder, [0, 1]] as const, [witness, [1, 0]] as const]) {
    await Promise.all(order.map((index) => journal.quarantine.takeProof(proof(index))))
    expect(journal.forkedAt(feed)).toBe(3)
  }
})

test('what was written while the proof itself was being written is not acknowledged either', async () => {
  const { before, after } = await restored()
  const write = after.store.write.bind(after.store)
  const proven = Promise.withResolvers<void>()
  const kept = Promise.withResolvers<void>()
  let taken: Promise<unknown> | undefined
  vi.spyOn(after.store, 'write')
    .mockImplementationOnce(async (batch) => {
      taken = after.journal.take(before.blocks, 'x')
      await proven.promise
      await write(batch)
    })
    .mockImplementationOnce(async (batch) => {
      proven.resolve()
      await kept.promise
      await write(batch)
    })
  const answer = await after.journal.commit(CATALOG, () => [tag('late')]).catch((error: unknown) => error)
  kept.resolve()
  await taken
  expect(answer).toMatchObject({ code: 'JOURNAL_READ_ONLY' })
})

test('a restored node that hears of its own later entries before it writes goes on after them', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(member, 2, 'common')
  await member.close()
  const backup = await temporary()
  await cp(member.directory, backup, { recursive: true })
  const before = await openSite(plan, { identity: member.identity, directory: member.directory })
  await write(before, 3, 'before')
  await founder.journal.take(await everything(before), 'x')
  const after = await openSite(plan, { identity: member.identity, directory: backup })
  await after.journal.take(await everything(founder), 'x')
  await write(after, 1, 'after')
  expect(await founder.journal.take(after.blocks, 'x')).toMatchObject({ applied: 1, refused: 0 })
  expect(founder.journal.position()).toEqual(after.journal.position())
})

test('members that hold different branches find out by comparing, and stay connected', async () => {
  const { plan, founder, witness, before, after, feed } = await restored()
  await founder.journal.take(await everything(before), 'x')
  await witness.journal.take(await everything(after), 'x')
  const [a, b] = [await launch(plan, founder), await launch(plan, witness)]
  connect(a, b)
  const forked = (site: Site) => site.journal.status().forks.map((fork) => fork.feed)
  await expect.poll(() => [forked(a), forked(b)], { timeout: 10_000 }).toEqual([[feed], [feed]])
  await a.journal.commit(CATALOG, () => [tag('still')])
  const arrived = () => b.journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000still`)
  await expect.poll(arrived, { timeout: 10_000 }).toBeDefined()
  await expect
    .poll(() => a.replication.peers().get(b.host.self), { timeout: 10_000 })
    .toMatchObject({ sync: 'diverged', lagEntries: 0 })
})

test('equal heads with equal tables are in sync; nothing else is', async () => {
  const { plan, ships } = await armada(2)
  const [a, b] = ships as [(typeof ships)[0], (typeof ships)[0]]
  connect(a, b)
  await expect.poll(() => agree(a, b), { timeout: 10_000 }).toBe(true)
  // A row no op accounts for: what a bug in a reducer would look like from outside.
  await b.store.write([{ type: 'put', key: 'state-hash/authority', value: new Uint8Array(32).fill(1) }])
  await b.sink()
  const damaged = await launch(plan, await openSite(plan, { identity: b.identity, directory: b.directory }))
  connect(a, damaged)
  await expect
    .poll(() => a.replication.peers().get(damaged.host.self), { timeout: 10_000 })
    .toMatchObject({ sync: 'diverged', lagEntries: 0 })
})

test('what was taken back stays so where the disk fails as what was needed for it is cleared away', async () => {
  const { founder, before, after, feed } = await restored()
  await founder.journal.take(await everything(before), 'x')
  await founder.journal.take(after.blocks, 'x')
  expect(founder.journal.position().heads.get(feed)?.seq).toBe(5)
  const writeAll = founder.store.write.bind(founder.store)
  const isClearing = (batch: Parameters<typeof writeAll>[0]) =>
    founder.journal.frontier()[feed] === 2 && batch.every(({ key }) => key.startsWith('retold/'))
  founder.store.write = async (batch) => {
    if (isClearing(batch)) throw new Fault('STORE_WRITE_FAILED', 'the disk fails')
    await writeAll(batch)
  }
  await expect(founder.journal.quarantine.straighten()).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
  founder.store.write = writeAll
  expect(founder.journal.position().heads.get(feed)?.seq).toBe(2)
  await founder.journal.quarantine.straighten()
  expect(founder.journal.position().heads.get(feed)?.seq).toBe(2)
})
