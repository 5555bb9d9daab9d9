import { cp } from 'node:fs/promises'
import { beforeEach, expect, test } from 'vitest'
import { Accounts } from '../../../src/access/accounts.ts'
import { acting } from '../../../src/access/decide.ts'
import { Passwords } from '../../../src/access/passwords.ts'
import { Conflicts } from '../../../src/conflicts/conflicts.ts'
import { Repairs } from '../../../src/conflicts/repairs.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../src/journal/op.ts'
import { Members } from '../../../src/projects/members.ts'
import { Projects } from '../../../src/projects/projects.ts'
import { systemRandom as random } from '../../../src/runtime/random.ts'
import { everything, fleet, openSite, type Site, temporary, user } from '../cluster/ledger/shipyard.ts'

let founder: Site
let plan: Awaited<ReturnType<typeof fleet>>['plan']
let project: string

const facts = { mediaType: 'm', size: 1, artifactType: null, subject: null, annotations: {}, references: [] }
const digestOf = (character: string) => `sha256:${character.repeat(64)}` as never
const place = () => ({ projectId: project, path: 'web' })
const manifest = (character: string) =>
  op('manifest.put', { ...place(), digest: digestOf(character), ...facts }, 'node')
const moved = (tag: string, character: string) =>
  op('tag.moved', { ...place(), tag, digest: digestOf(character) }, 'node')

/** A member whose disk was copied writes twice under one number; the founder held one of the histories. */
beforeEach(async () => {
  const made = await fleet(1)
  ;({ plan, founder } = made)
  const [member] = made.others as [Site]
  const owner = (await founder.journal.commit(AUTHORITY, () => [user('ada')])).ids[0] as string
  const shop = { name: 'shop', number: 9, owner, ownerMember: 8, metadata: { public: 'false' } }
  project = (await founder.journal.commit(AUTHORITY, () => [op('project.created', shop, 'node')]))
    .ids[0] as string
  await founder.journal.commit(CATALOG, () => [manifest('a')])
  await member.journal.take(await everything(founder), 'x')
  await member.close()
  const copy = await temporary()
  await cp(member.directory, copy, { recursive: true })
  const before = await openSite(plan, { identity: member.identity, directory: member.directory })
  const after = await openSite(plan, { identity: member.identity, directory: copy })
  await before.journal.commit(AUTHORITY, () => [user('bob')])
  await before.journal.commit(CATALOG, () => [moved('here', 'a'), manifest('b'), moved('gone', 'b')])
  await after.journal.commit(AUTHORITY, () => [user('eve')])
  await after.journal.commit(CATALOG, () => [moved('other', 'a')])
  await founder.journal.take(before.blocks, 'x')
  // One after the other: what is told anew the second time keeps what the first one took back.
  for (const block of after.blocks) {
    await founder.journal.take([block], 'x')
    await founder.journal.quarantine.straighten()
  }
  expect(founder.journal.status().forks).toHaveLength(2)
})

const open = async (all = false) => {
  const conflicts = new Conflicts({ tables: founder.journal.tables })
  const { items } = await conflicts.list(all ? {} : { open: true }, { offset: 0, limit: 100 })
  return items
}

function repair(id: string): Promise<void> {
  const { journal } = founder
  const passwords = new Passwords({ random })
  const repairs = new Repairs({
    journal,
    accounts: new Accounts({ journal, passwords, random }),
    projects: new Projects({ journal, random }),
    members: new Members({ journal, random }),
  })
  return repairs.repair(id, { action: 'approve' }, (demand) => acting({ kind: 'operator' }, demand))
}

const tagged = (tag: string) =>
  founder.journal.tables.get('tags', `${project}/web\u0000${tag}`)?.values.map(({ value }) => value)

test('what a fork took back is listed with who, why and where, and said again by whoever has the right', async () => {
  expect(tagged('here')).toBeUndefined()
  const found = await open()
  expect(found.map(({ about, reason, deed, remedy }) => [about, reason, deed.node, remedy.action])).toEqual(
    expect.arrayContaining([
      [{ what: 'user', user: 'bob', admin: null }, 'forked', 'member-0', 'approve'],
      [{ what: 'tag', project: 'shop', path: 'web', tag: 'here' }, 'forked', 'member-0', 'approve'],
      [{ what: 'tag', project: 'shop', path: 'web', tag: 'gone' }, 'forked', 'member-0', null],
    ]),
  )
  expect(found).toHaveLength(3)
  for (const { text } of found) expect(text).toContain('a node with two histories')
  const [bob, here, gone] = ['user.created', 'here', 'gone'].map(
    (what) =>
      found.find(({ kind, about }) => kind === what || ('tag' in about && about.tag === what))?.id as string,
  ) as [string, string, string]
  await repair(bob)
  await repair(here)
  expect(tagged('here')).toEqual([digestOf('a')])
  await expect(repair(gone)).rejects.toMatchObject({ code: 'PRECONDITION' })
  for (const id of [bob, here]) await expect(repair(id)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect((await open()).map(({ id, remedy }) => [id, remedy.advice])).toEqual([
    [gone, 'push it again at a member'],
  ])
  // Somebody pushes it again.
  await founder.journal.commit(CATALOG, () => [manifest('c'), moved('gone', 'c')])
  expect(await open()).toEqual([])
  expect(await open(true)).toHaveLength(4)
})

test('what was mended does not come back once the tag is deleted on purpose, nor by a restart', async () => {
  const found = await open()
  const idOf = (tag: string) => found.find(({ about }) => 'tag' in about && about.tag === tag)?.id as string
  await repair(idOf('here'))
  await founder.journal.commit(CATALOG, () => [op('tag.deleted', { ...place(), tag: 'here' }, 'node')])
  expect(tagged('here')).toBeUndefined()
  const left = (list: typeof found) =>
    list.map(({ about }) => ('tag' in about ? about.tag : about.what)).sort()
  expect(left(await open())).toEqual(['gone', 'user'])
  await expect(repair(idOf('here'))).rejects.toMatchObject({ code: 'CONFLICT' })
  // One that nobody spoke for meanwhile waits on, through another look at the same fork.
  await founder.journal.quarantine.straighten()
  expect(left(await open())).toEqual(['gone', 'user'])
  await founder.close()
  founder = await openSite(plan, { identity: founder.identity, directory: founder.directory })
  expect(left(await open())).toEqual(['gone', 'user'])
  // Deleted without ever having been said again: that is a decision as well.
  await founder.journal.commit(CATALOG, () => [manifest('c'), moved('gone', 'c')])
  await founder.journal.commit(CATALOG, () => [op('tag.deleted', { ...place(), tag: 'gone' }, 'node')])
  expect(left(await open())).toEqual(['user'])
})

test('it is in no hash that members compare', async () => {
  expect(await open(true)).toHaveLength(4)
  expect((await founder.journal.inspect()).tables).toEqual([])
})
