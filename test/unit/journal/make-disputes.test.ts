import { expect, test } from 'vitest'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../src/journal/op.ts'
import { everything, fleet, openSite, type Site, tag, user } from '../cluster/ledger/shipyard.ts'

async function disputesAt({ journal }: Site): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const { key, row } of journal.tables.list('disputes')) rows.push([key, row])
  for await (const { key, row } of journal.tables.list('disputedFields')) rows.push([key, row])
  return rows
}

test('a data directory from before conflicts were indexed has them after the next start, and once', async () => {
  const { plan, founder, others } = await fleet(1)
  const [other] = others as [Site]
  const { ids } = await founder.journal.commit(AUTHORITY, () => [user('ada')])
  await other.journal.take(await everything(founder), 'x')
  const about = ids[0] as string
  const named = (realname: string) => op('user.profile-set', { user: about, realname }, 'node')
  await founder.journal.commit(AUTHORITY, () => [named('Ada')])
  await other.journal.commit(AUTHORITY, () => [named('Augusta')])
  await founder.journal.commit(CATALOG, () => [tag('v1', 'a'), tag('v2', 'a')])
  await other.journal.commit(CATALOG, () => [tag('v1', 'b')])
  await founder.journal.take(await everything(other), 'x')
  const kept = await disputesAt(founder)
  expect(kept).toHaveLength(2)
  const rows: string[] = []
  for (const table of ['disputes', 'disputedFields']) {
    const range = { gte: `t/${table}/`, lt: `t/${table}0` }
    for await (const [key] of founder.store.range(range)) rows.push(key)
  }
  const del = (key: string) => ({ type: 'del', key }) as const
  await founder.store.write([...rows.map(del), del('made/disputes')])
  await founder.close()
  const again = await openSite(plan, { identity: plan.founder, directory: founder.directory })
  expect(await disputesAt(again)).toEqual(kept)
  await again.close()
  // Whether a list is empty is no question of its own: it is not looked for again.
  const third = await openSite(plan, { identity: plan.founder, directory: founder.directory })
  expect(third.store.batches).toEqual([])
})
