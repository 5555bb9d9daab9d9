import { expect, test } from 'vitest'
import { orbitFormat } from '../../../../cluster/ledger/orbit-format.ts'
import { MemberActs } from '../../../../cluster/membership/member-acts.ts'
import { reviewOf } from '../../../../cluster/membership/review.ts'
import { evictionOf, reasonOf } from '../../../../src/journal/authority/evictions.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import type { Eviction } from '../../../../src/registry/topology.ts'
import { everything, fleet, type Site, tag, user, write } from '../ledger/shipyard.ts'

const NODE = { actor: 'node', permit: () => {} }

function actsOf({ journal }: Site): MemberActs {
  const record = () => op('network.key-rotated', { key: '0'.repeat(16), sealed: {} }, 'node')
  return new MemberActs({ journal, rotation: { prepare: () => ({ name: '', record }) } })
}

/** A founder, another member, and a thief that made six tags and an account; all know all of it. */
async function robbed() {
  const { founder, others } = await fleet(2)
  const [other, thief] = others as [Site, Site]
  await write(thief, 6, 't')
  await thief.journal.commit(AUTHORITY, () => [user('backdoor')])
  for (const site of [founder, other]) await site.journal.take(await everything(thief), 'x')
  return { founder, other, thief: thief.identity.id, feed: `${CATALOG}@${thief.identity.id}` }
}

async function tagsAt({ journal }: Site): Promise<string[]> {
  await journal.settled()
  const tags: string[] = []
  for await (const { row } of journal.tables.list('tags')) tags.push(row.tag)
  return tags
}

const compromised = (acceptUntil: Eviction['acceptUntil']) => ({ compromised: true, acceptUntil, reason: '' })

test('an eviction is deepened: of all that was said of a log the least counts, whoever heard of it first', async () => {
  const { founder, other, thief } = await robbed()
  await actsOf(founder).evict(thief, compromised('now'), NODE)
  expect(await tagsAt(founder)).toHaveLength(6)
  await other.journal.take(await everything(founder), 'x')
  // Both cut deeper, unaware of each other.
  await actsOf(founder).evict(thief, compromised(4), NODE)
  expect(await tagsAt(founder)).toEqual(['t-0', 't-1', 't-2', 't-3'])
  await actsOf(other).evict(thief, compromised(2), NODE)
  const [here, there] = [await everything(founder), await everything(other)]
  await founder.journal.take(there, 'x')
  await other.journal.take(here, 'x')
  for (const site of [founder, other]) {
    expect(await tagsAt(site)).toEqual(['t-0', 't-1'])
    expect(site.journal.tables.get('nodes', thief)?.state).toBe('evicted')
  }
  expect(founder.journal.stateHash()).toBe(other.journal.stateHash())
})

test('what was taken back does not come again, and one that takes nothing more is refused', async () => {
  const { founder, thief, feed } = await robbed()
  await actsOf(founder).evict(thief, compromised(3), NODE)
  for (const more of [compromised(5), compromised('now'), { ...compromised(null), compromised: false }])
    await expect(actsOf(founder).evict(thief, more, NODE)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await tagsAt(founder)).toEqual(['t-0', 't-1', 't-2'])
  await actsOf(founder).evict(thief, compromised({ [feed]: 1 }), NODE)
  expect(await tagsAt(founder)).toEqual(['t-0'])
  // Of a log that is not named nothing counts: the account goes as well.
  const users: string[] = []
  for await (const { row } of founder.journal.tables.list('users')) users.push(row.name)
  expect(users).toEqual([])
})

test('a node that was put out as sound can be put out as compromised afterwards', async () => {
  const { founder, thief } = await robbed()
  await actsOf(founder).evict(thief, { compromised: false, acceptUntil: null, reason: '' }, NODE)
  expect(await tagsAt(founder)).toHaveLength(6)
  await actsOf(founder).evict(thief, compromised(1), NODE)
  expect(await tagsAt(founder)).toEqual(['t-0'])
})

test('why it was put out stays said where a deeper eviction says nothing, whoever is asked', async () => {
  const { founder, other, thief } = await robbed()
  expect(evictionOf(founder.journal.tables, thief)).toBeUndefined()
  await actsOf(founder).evict(thief, { ...compromised('now'), reason: 'stolen at the fair' }, NODE)
  await actsOf(founder).evict(thief, compromised(1), NODE)
  await other.journal.take(await everything(founder), 'x')
  for (const { journal } of [founder, other]) {
    const eviction = evictionOf(journal.tables, thief)
    expect(eviction && reasonOf(eviction)).toBe('stolen at the fair')
  }
})

test('a review speaks in names, and says what each log held before a time', async () => {
  const { founder, others } = await fleet(1)
  const [member] = others as [Site]
  const { ids } = await member.journal.commit(AUTHORITY, () => [user('eve')])
  const [eve] = ids as [string]
  const shop = { name: 'shop', number: 9, owner: eve, ownerMember: 8, metadata: { public: 'false' } }
  const made = await member.journal.commit(AUTHORITY, () => [op('project.created', shop, eve)])
  const project = made.ids[0] as string
  await member.journal.commit(CATALOG, () => [tag('old')])
  const since = Date.now() + 1
  await expect.poll(() => Date.now()).toBeGreaterThan(since)
  const digest = `sha256:${'b'.repeat(64)}` as const
  const place = { projectId: project, path: 'web', tag: 'v1', digest }
  await member.journal.commit(CATALOG, () => [op('tag.moved', place as never, eve)])
  await member.journal.commit(AUTHORITY, () => [
    op('member.granted', { project, user: eve, role: 2, number: 7 }, eve),
  ])
  await founder.journal.take(await everything(member), 'x')
  const { journal } = founder
  const logs = {
    frontier: () => journal.frontier(),
    entry: async (feed: string, seq: number) => {
      for await (const block of journal.blocks([{ feed, from: seq, to: seq }]))
        return orbitFormat(founder.identity).entryOf(block)
      return undefined
    },
  }
  const { id } = member.identity
  const review = await reviewOf({ id, name: 'member' }, since, logs, journal.tables)
  const told = review.ops.map(({ what, who }) => `${who}: ${what}`)
  expect(new Set(told)).toEqual(
    new Set(['eve: project shop user eve as developer', 'eve: shop/web:v1@sha256:bbbbbbbbbbbb']),
  )
  expect(review.before).toEqual({ [`${AUTHORITY}@${id}`]: 2, [`${CATALOG}@${id}`]: 1 })
  expect(review.logs).toEqual({ [`${AUTHORITY}@${id}`]: 3, [`${CATALOG}@${id}`]: 2 })
  expect(review.ops.map(({ about }) => about).join(' ')).toContain(`user=${eve}`)
})
