import { afterAll, expect, test } from 'vitest'
import { removeLeftovers, removeOwn } from '../support/leftovers.ts'
import { ChaosCluster } from './chaos/cluster.ts'
import { requirements } from './chaos/requirements.ts'
import { runSchedule } from './chaos/schedule.ts'

const SECONDS = 15
/** The first ends with administrators who fight, the second does not. */
const SEEDS = [3, 4]

const tools = requirements()
afterAll(() => removeOwn())

test.skipIf(!tools)(
  'five nodes keep every promise under killing, cutting, wrong clocks and a full disk',
  async ({ signal }) => {
    if (!tools) return
    removeLeftovers()
    const cluster = await ChaosCluster.start({ ...tools, seed: 'test' })
    try {
      for (const seed of SEEDS) {
        const result = await runSchedule(cluster, { seed, seconds: SECONDS, abort: signal })
        expect(result.violations, `npm run chaos -- --schedules 1 --from ${seed}`).toEqual([])
        expect(result.calls.ok).toBeGreaterThan(100)
        expect(result.faults).toBeGreaterThan(0)
      }
    } finally {
      await cluster.stop()
    }
  },
  240_000,
)
