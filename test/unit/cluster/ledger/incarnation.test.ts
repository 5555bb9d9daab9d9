import { cp } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Incarnation } from '../../../../cluster/ledger/incarnation.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { CATALOG } from '../../../../src/journal/op.ts'
import { runtime } from '../network/cast.ts'
import { agree, connect, launch, type Ship } from './harbour.ts'
import {
  everything,
  fleet,
  foundSite,
  newCluster,
  openSite,
  type Plan,
  type Site,
  temporary,
  write,
} from './shipyard.ts'

/** A ship that decides its life by itself, as a node does. */
async function incarnate(plan: Plan, site: Site, moved = false): Promise<Ship & { lives: string[] }> {
  const ship = await launch(plan, site)
  const roster = new TableRoster(site.journal, runtime)
  await roster.start()
  const lives: string[] = []
  const incarnation = new Incarnation({
    journal: site.journal,
    network: ship.host,
    roster,
    onCompared: (listener) => ship.replication.onCompared(listener),
    moved,
    keep: async (life) => void lives.push(life),
    ...runtime,
  })
  await incarnation.start()
  onTestFinished(async () => {
    await incarnation.stop()
    await roster.stop()
  })
  return { ...ship, lives }
}

/** A member's disk as it was after two entries, while the founder has all five it wrote. */
async function backedUp() {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(member, 2, 'common')
  await member.close()
  const backup = await temporary()
  await cp(member.directory, backup, { recursive: true })
  const before = await openSite(plan, { identity: member.identity, directory: member.directory })
  await write(before, 3, 'before')
  await founder.journal.take(await everything(before), 'x')
  await before.close()
  const restored = await openSite(plan, { identity: member.identity, directory: backup })
  return { plan, founder: await launch(plan, founder), restored, feed: `${CATALOG}@${member.identity.id}` }
}

const tagAt = (site: Site, name: string) =>
  site.journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000${name}`)

test('a restored node that meets a member takes in what it had written, and goes on in a new life', async () => {
  const { plan, founder, restored, feed } = await backedUp()
  const ship = await incarnate(plan, restored)
  connect(founder, ship)
  await write(ship, 2, 'after')
  expect(ship.lives).toEqual([expect.stringMatching(/^[a-z2-7]{8}$/)])
  expect(ship.journal.frontier()).toMatchObject({ [feed]: 5, [`${feed}.${ship.lives[0]}`]: 2 })
  await expect.poll(() => agree(founder, ship), { timeout: 10_000 }).toBe(true)
  expect(founder.journal.status()).toMatchObject({ forks: [], refused: {} })
  for (const name of ['common-1', 'before-2', 'after-1']) expect(tagAt(founder, name)).toBeDefined()
})

test('a restored node that is cut off goes on in a new life at once, and nothing is lost when it comes back', async () => {
  const { plan, founder, restored, feed } = await backedUp()
  const ship = await incarnate(plan, restored)
  await write(ship, 2, 'after')
  expect(ship.journal.frontier()).toMatchObject({ [feed]: 2, [`${feed}.${ship.lives[0]}`]: 2 })
  connect(founder, ship)
  await expect.poll(() => agree(founder, ship), { timeout: 10_000 }).toBe(true)
  expect(founder.journal.status().forks).toEqual([])
  expect(ship.journal.status()).toMatchObject({ forks: [], writable: true })
  for (const name of ['before-2', 'after-1']) expect(tagAt(ship, name)).toBeDefined()
  await write(ship, 1, 'later')
  expect(ship.lives).toHaveLength(1)
})

test('a node that was only restarted goes on in its life once a member has shown to know no more of it', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(member, 2, 'common')
  await founder.journal.take(await everything(member), 'x')
  await member.close()
  const again = await openSite(plan, { identity: member.identity, directory: member.directory })
  const [base, ship] = [await launch(plan, founder), await incarnate(plan, again)]
  connect(base, ship)
  await write(ship, 1, 'after')
  expect(ship.lives).toEqual([])
  expect(ship.journal.frontier()[`${CATALOG}@${member.identity.id}`]).toBe(3)
})

test('the only member of a cluster never begins a new life', async () => {
  const plan = newCluster()
  const ship = await incarnate(plan, await foundSite(plan))
  await write(ship, 1, 'alone')
  expect(ship.lives).toEqual([])
})

test('a copy of a directory is a new life, whatever the members that answer know', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  const [host, copy] = [await launch(plan, founder), await incarnate(plan, member, true)]
  connect(host, copy)
  await expect.poll(() => agree(host, copy)).toBe(true)
  await write(member, 1, 'after')
  expect(copy.lives).toHaveLength(1)
  expect(member.journal.frontier()).toMatchObject({
    [`${CATALOG}@${member.identity.id}.${copy.lives[0]}`]: 1,
  })
})
