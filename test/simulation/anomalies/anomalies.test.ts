import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allAtOnce, anomalies, titleOf } from './anomalies.ts'

/** A share of what `npm run sim:anomalies` lives through, with seeds of its own. */
const VARIANTS = 100
const SEED = 20_261_123
const TEST_MS_MAX = 60_000

test('there are 24 of them', () => {
  expect(anomalies.map(({ number }) => number)).toEqual([...Array(24).keys()].map((n) => n + 1))
})

test.each([allAtOnce, ...anomalies].map((anomaly) => [titleOf(anomaly), anomaly] as const))(
  '%s, in random variants',
  async (_title, anomaly) => {
    await fc.assert(anomaly.property(), { numRuns: VARIANTS, seed: SEED })
  },
  TEST_MS_MAX,
)
