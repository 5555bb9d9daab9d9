import { afterEach, beforeEach, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { CATALOG } from '../../../src/journal/op.ts'
import { type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { BLUE, list, meet, push, RED, twoSites } from './apart.ts'

let sites: Sites
let east: TestNode
let west: TestNode
let library: string

beforeEach(async () => {
  sites = new Sites(new HandClock())
  ;({ east, west } = await twoSites(sites))
  library = east.projects.find('library')?.id as string
  await meet({ east, west })
})
afterEach(() => sites.close())

test('it counts what somebody has to decide about, and nothing else', async () => {
  expect(await east.api.conflicts.countOpen()).toEqual({ open: 0, more: false })
  const bob = await user(east, 'bob')
  const [gone] = await Promise.all([user(east, 'gone'), user(east, 'dora'), user(west, 'dora')])
  await meet({ east, west })
  await Promise.all([push(east, library, 'v1', RED), push(west, library, 'v1', BLUE)])
  await east.accounts.setProfile(bob.id, { comment: 'east' }, NODE_ITSELF)
  await west.accounts.setProfile(bob.id, { comment: 'west' }, NODE_ITSELF)
  // Settled for good: nobody has to decide.
  await east.accounts.delete(gone.id, NODE_ITSELF)
  await west.accounts.setProfile(gone.id, { comment: 'west' }, NODE_ITSELF)
  await meet({ east, west })
  expect(await list(east)).toHaveLength(4)
  expect(await list(east, { open: true })).toHaveLength(3)
  expect(await east.api.conflicts.countOpen()).toEqual({ open: 3, more: false })
})

test('it stops at a thousand and says that there are more', async () => {
  for (const [node, digest] of [
    [east, RED],
    [west, BLUE],
  ] as const) {
    for (let batch = 0; batch < 11; batch++) {
      const tags = Array.from({ length: batch < 10 ? 100 : 1 }, (_, at) => `v${batch}-${at}`)
      await node.site.commit(CATALOG, () =>
        tags.map((tag) => op('tag.moved', { projectId: library, path: 'web', tag, digest }, 'node')),
      )
    }
  }
  await meet({ east, west })
  expect(await east.api.conflicts.countOpen()).toEqual({ open: 1000, more: true })
})

test('two sites that pushed the same under one tag agree', async () => {
  await Promise.all([push(east, library, 'v1', RED), push(west, library, 'v1', RED)])
  await meet({ east, west })
  expect(east.site.tables.get('tags', `${library}/web\u0000v1`)?.values).toHaveLength(2)
  expect(await list(east)).toEqual([])
})
