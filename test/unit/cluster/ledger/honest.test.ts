import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AUTHORITY } from '../../../../src/journal/op.ts'
import { everything, fleet, type Site, tag, user } from './shipyard.ts'

const SITES = 4
const step = fc.record({
  what: fc.constantFrom('user', 'tag', 'tag', 'some', 'all'),
  at: fc.nat(SITES - 1),
  from: fc.nat(SITES - 1),
  salt: fc.nat(10_000),
})

/** The blocks in an order, and with gaps and repetitions, that depend on the salt alone. */
function jumbled(blocks: readonly Uint8Array[], salt: number): Uint8Array[] {
  const rank = (index: number) => (index * 7919 + salt * 104_729) % 1009
  const order = blocks.map((_, index) => index).sort((a, b) => rank(a) - rank(b))
  return order
    .filter((index) => rank(index + 1) % 3 > 0)
    .flatMap((index) => (rank(index) % 5 === 0 ? [index, index] : [index]))
    .map((index) => blocks[index] as Uint8Array)
}

test('honest entries are never refused, however they travel, and all sites end the same', async () => {
  let concurrent = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const { founder, others } = await fleet(SITES - 1)
      const sites = [founder, ...others]
      const authority = { count: 0 }
      for (const { what, at, from, salt } of steps) {
        const site = sites[at] as Site
        const source = sites[from] as Site
        if (what === 'user') await site.journal.commit(AUTHORITY, () => [user(`u${authority.count++}`)])
        else if (what === 'tag')
          await site.journal.commit('catalog/system', () => [tag(`t${salt % 3}`, 'abc'[salt % 3])])
        else if (site !== source) {
          const all = await everything(source)
          await site.journal.take(what === 'all' ? all : jumbled(all, salt), source.identity.id)
        }
      }
      for (let round = 0; round < 2; round++) {
        for (const site of sites) {
          for (const source of sites) await site.journal.take(await everything(source), source.identity.id)
        }
      }
      for (const site of sites) {
        expect(site.journal.status()).toMatchObject({ refused: {}, forks: [], parked: { blocks: 0 } })
        expect(site.journal.position()).toEqual(founder.journal.position())
      }
      const row = founder.journal.tables.get('tags', `${'p'.repeat(22)}/app\u0000t1`)
      if ((row?.values.length ?? 0) > 1) concurrent++
      await Promise.all(sites.map((site) => site.close()))
    }),
    { numRuns: 15, seed: 11, endOnFailure: true },
  )
  // It would say little had nobody ever written without knowing of the others.
  expect(concurrent).toBeGreaterThan(0)
}, 60_000)
