import { expect, test } from 'vitest'
import { MemberActs } from '../../../cluster/membership/member-acts.ts'
import { Conflicts } from '../../../src/conflicts/conflicts.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../src/journal/op.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { everything, fleet, openSite, type Site, user } from '../cluster/ledger/shipyard.ts'

const NODE = { actor: 'node', permit: () => {} }
const RED = `sha256:${'a'.repeat(64)}` as Digest

function evict({ journal }: Site, thief: string): Promise<void> {
  const record = () => op('network.key-rotated', { key: '0'.repeat(16), sealed: {} }, 'node')
  const acts = new MemberActs({ journal, rotation: { prepare: () => ({ name: '', record }) } })
  return acts.evict(thief, { compromised: true, acceptUntil: 0, reason: 'stolen' }, NODE)
}

async function listedAt({ journal }: Site) {
  await journal.settled()
  const { items } = await new Conflicts({ tables: journal.tables }).list({}, { offset: 0, limit: 100 })
  return items.map(({ id, reason, image, beatenBy }) => [reason, image, beatenBy?.node, beatenBy?.why, id])
}

test('what was taken back and the tag that misses it are told alike by every member, in whatever order it heard, and after a restart', async () => {
  const { plan, founder, others } = await fleet(2)
  const [other, thief] = others as [Site, Site]
  const owner = (await founder.journal.commit(AUTHORITY, () => [user('ada')])).ids[0] as string
  const shop = { name: 'shop', number: 9, owner, ownerMember: 8, metadata: { public: 'false' } }
  const made = await founder.journal.commit(AUTHORITY, () => [op('project.created', shop, 'node')])
  const place = { projectId: made.ids[0] as string, path: 'web' }
  const facts = {
    mediaType: 'm',
    size: 1,
    artifactType: null,
    subject: null,
    annotations: {},
    references: [],
  }
  await thief.journal.take(await everything(founder), 'x')
  await thief.journal.commit(CATALOG, () => [
    op('manifest.put', { ...place, digest: RED, ...facts }, 'node'),
    op('tag.moved', { ...place, tag: 'v1', digest: RED }, 'node'),
  ])
  await founder.journal.take(await everything(thief), 'x')
  const { ids } = await founder.journal.commit(CATALOG, () => [
    op('tag.moved', { ...place, tag: 'v1', digest: RED }, 'node'),
  ])
  await evict(founder, thief.identity.id)
  // The other hears of all of it at once; the thief had its pushes long before.
  await other.journal.take(await everything(founder), 'x')
  const image = { repository: 'shop/web', tag: 'v1', digest: RED }
  const expected = [
    ['dangling', image, 'founder', 'stolen', ids[0]],
    ['evicted', image, 'founder', 'stolen', expect.any(String)],
    ['evicted', { ...image, tag: null }, 'founder', 'stolen', expect.any(String)],
  ]
  const here = await listedAt(founder)
  expect(here).toHaveLength(3)
  expect(here).toEqual(expect.arrayContaining(expected))
  expect(new Set(await listedAt(other))).toEqual(new Set(here))
  await thief.journal.take(await everything(founder), 'x')
  expect(new Set(await listedAt(thief))).toEqual(new Set(here))
  expect(other.journal.stateHash()).toBe(founder.journal.stateHash())
  expect(thief.journal.stateHash()).toBe(founder.journal.stateHash())
  await other.close()
  const again = await openSite(plan, { identity: other.identity, directory: other.directory })
  expect(new Set(await listedAt(again))).toEqual(new Set(here))
})
