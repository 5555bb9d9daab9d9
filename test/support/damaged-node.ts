import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { layFoundations } from '../../src/access/foundations.ts'
import { isFault } from '../../src/errors.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'
import { flip, type Spot, settleInTables, tellingSpot } from './damaged-table.ts'
import { ADMIN_PASSWORD, assemble, type TestNode } from './node.ts'
import type { Sites } from './sites.ts'

/** Rows written until LevelDB merges the table in which a byte has turned; it does so after a few hundred kilobytes. */
const FILLS_MAX = 200

/** A node with its administrator, whose store takes no write any more: a byte of a real table has turned. */
export async function damagedNode(sites: Sites): Promise<{ node: TestNode; journal: string }> {
  const keys = Array.from({ length: 300 }, (_, n) => `zz/${String(n).padStart(3, '0')}`)
  const put = (store: LevelStore, value: () => Uint8Array) =>
    store.write(keys.map((key) => ({ type: 'put', key, value: value() })))
  let spot: Spot | undefined
  const site = await sites.found('test', async (journal) => {
    const store = await LevelStore.open(journal)
    const row = Buffer.from('a row '.repeat(200))
    await put(store, () => row)
    await store.close()
    await settleInTables(journal)
    spot = await tellingSpot(journal, keys.at(150) as string)
  })
  const node = assemble(site, sites)
  await layFoundations({ ...node, random: systemRandom }, { adminPassword: ADMIN_PASSWORD })
  flip(spot as Spot)
  for (let n = 0; n < FILLS_MAX; n++) {
    try {
      await put(site.store, () => randomBytes(1000))
    } catch (error) {
      if (!isFault(error, 'STORE_DAMAGED')) throw error
      return { node, journal: join(site.directory, 'journal') }
    }
  }
  throw new Error('LevelDB has not merged the damaged table')
}
