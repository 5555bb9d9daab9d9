import { Entry } from '@orbitdb/core'
import { ClassicLevel } from 'classic-level'
import { expect, onTestFinished, test, vi } from 'vitest'
import { verifierOf } from '../../../../cluster/ledger/orbit-identity.ts'
import { openFeed } from '../../../../cluster/ledger/orbit-log.ts'
import { decodeEntry } from '../../../../src/journal/entry.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import {
  everything,
  fleet,
  foundSite,
  newCluster,
  openSite,
  type Plan,
  type Site,
  tag,
  user,
  write,
} from './shipyard.ts'

/** The feed read by OrbitDB's own log from its head, oldest first, each signature checked by OrbitDB. */
async function readChain(plan: Plan, site: Site, feed: string) {
  const log = await openFeed(site.store, site.identity, plan.clusterId, feed)
  const author = feed.split('@')[1] as string
  const chain = []
  for await (const entry of log.traverse()) {
    expect(await Entry.verify(verifierOf(author), entry)).toBe(true)
    chain.unshift(entry)
  }
  return chain
}

test('a node’s feed is one OrbitDB log: signed, hash-linked, its clock the sequence number', async () => {
  const plan = newCluster()
  const site = await foundSite(plan)
  await write(site, 4)
  const chain = await readChain(plan, site, `${CATALOG}@${plan.founder.id}`)
  expect(chain.map(({ clock }) => clock.time)).toEqual([1, 2, 3, 4])
  expect(chain.map(({ next }) => next)).toEqual([[], ...chain.slice(0, -1).map(({ hash }) => [hash])])
  expect(chain.map(({ refs }) => refs)).toEqual([[], [], [], []])
  expect(chain.map(({ payload }) => decodeEntry(payload as Uint8Array).seq)).toEqual([1, 2, 3, 4])
})

test('another member’s feed opens as the same OrbitDB log, with nothing fetched', async () => {
  const { plan, founder, others } = await fleet(1)
  await write(founder, 3)
  const [reader] = others as [Site]
  await reader.journal.take(await everything(founder), founder.identity.id)
  const feed = `${CATALOG}@${founder.identity.id}`
  expect(await readChain(plan, reader, feed)).toEqual(await readChain(plan, founder, feed))
})

test('entry, index, head and table rows of a commit are one batch, and the answer waits for it', async () => {
  const site = await foundSite(newCluster())
  site.store.batches.length = 0
  let release = () => {}
  site.store.hold = new Promise((resolve) => {
    release = resolve
  })
  let answered = false
  const commit = site.journal
    .commit(CATALOG, () => [tag('one')])
    .then(() => {
      answered = true
    })
  await new Promise((resolve) => setImmediate(resolve))
  expect(answered).toBe(false)
  release()
  await commit
  const feed = `${CATALOG}@${site.identity.id}`
  const [batch, ...rest] = site.store.batches
  expect(rest).toEqual([])
  const keys = batch?.map(({ key }) => key.replace(/zdp[^/]+$/, '<hash>'))
  expect(keys).toEqual(
    expect.arrayContaining([
      `log/${feed}/0000000000000001`,
      `hash/${feed}/<hash>`,
      `head/${feed}`,
      `feed/${feed}`,
      `t/tags/${'p'.repeat(22)}/app\u0000one`,
      'state-hash/catalog',
    ]),
  )
})

test('every batch, of one’s own entries or others’, is on stable storage before it counts', async () => {
  const { founder, others } = await fleet(1)
  const [reader] = others as [Site]
  const batch = vi.spyOn(ClassicLevel.prototype, 'batch')
  onTestFinished(() => batch.mockRestore())
  await write(founder, 2)
  await reader.journal.take(founder.blocks, 'x')
  expect(batch.mock.calls.map((call: readonly unknown[]) => call[1])).toEqual([
    { sync: true },
    { sync: true },
    { sync: true },
  ])
})

test('callers that come together share one batch', async () => {
  const site = await foundSite(newCluster())
  site.store.batches.length = 0
  await Promise.all(Array.from({ length: 200 }, (_, n) => site.journal.commit(CATALOG, () => [tag(`t${n}`)])))
  expect(site.store.batches).toHaveLength(1)
})

test('a restart goes on where the log ended', async () => {
  const plan = newCluster()
  const before = await foundSite(plan)
  await write(before, 3, 'before')
  const stateHash = before.journal.stateHash()
  await before.close()
  const after = await openSite(plan, { identity: plan.founder, directory: before.directory })
  expect(after.journal.stateHash()).toBe(stateHash)
  await write(after, 2, 'after')
  const chain = await readChain(plan, after, `${CATALOG}@${plan.founder.id}`)
  expect(chain.map(({ clock }) => clock.time)).toEqual([1, 2, 3, 4, 5])
  expect(chain[4]?.next).toEqual([chain[3]?.hash])
})

test('a write that fails rejects its commits and changes nothing; the next one continues the chain', async () => {
  const plan = newCluster()
  const site = await foundSite(plan)
  await write(site, 2, 'before')
  const before = site.journal.position()
  site.store.fault = new Error('no space left on device')
  const failed = await Promise.allSettled([
    site.journal.commit(CATALOG, () => [tag('lost-1')]),
    site.journal.commit(CATALOG, () => [tag('lost-2')]),
  ])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(site.journal.position()).toEqual(before)
  expect(site.journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000lost-1`)).toBeUndefined()

  site.store.fault = undefined
  await site.journal.commit(CATALOG, () => [tag('kept')])
  const chain = await readChain(plan, site, `${CATALOG}@${plan.founder.id}`)
  expect(chain.map(({ clock }) => clock.time)).toEqual([1, 2, 3])
  expect(chain[2]?.next).toEqual([chain[1]?.hash])
})

test('what a failed write would have left is not there after a restart either', async () => {
  const plan = newCluster()
  const site = await foundSite(plan)
  const stateHash = site.journal.stateHash()
  site.store.fault = new Error('power is gone')
  await expect(site.journal.commit(AUTHORITY, () => [user('lost')])).rejects.toThrow('power is gone')
  await site.close()
  const again = await openSite(plan, { identity: plan.founder, directory: site.directory })
  expect(again.journal.stateHash()).toBe(stateHash)
  await again.journal.commit(AUTHORITY, () => [user('found')])
  expect(await readChain(plan, again, `${AUTHORITY}@${plan.founder.id}`)).toHaveLength(2)
})

test('a store whose log and records do not belong together is refused at the start', async () => {
  const plan = newCluster()
  const site = await foundSite(plan)
  await write(site, 2)
  const feed = `${CATALOG}@${plan.founder.id}`
  await site.store.write([{ type: 'del', key: `log/${feed}/0000000000000002` }])
  await site.close()
  const reopened = openSite(plan, { identity: plan.founder, directory: site.directory })
  await expect(reopened).rejects.toMatchObject({ code: 'LEDGER_DAMAGED', facts: { feed, seq: 2 } })
})
