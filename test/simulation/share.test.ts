import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PLANTED } from './planted/faults.ts'
import { hunt } from './planted/hunt.ts'
import { outOfDate } from './planted/plant.ts'
import { runSeed } from './run-seeds.ts'

/** The short share; `npm run sim -- --seeds 100000` is the long one. */
const SEEDS = Array.from({ length: 40 }, (_, n) => n + 1)
const ROUND = 10
const root = dirname(dirname(import.meta.dirname))

describe('whatever breaks, no promise does', () => {
  const rounds = SEEDS.filter((seed) => seed % ROUND === 1)

  test.each(rounds)('seeds from %i', { timeout: 120_000 }, async (from) => {
    for (let seed = from; seed < from + ROUND; seed++) {
      const { violation } = await runSeed({ seed })
      expect(violation, `npm run sim -- --seed ${seed}`).toBeUndefined()
    }
  })
})

describe('mistakes', () => {
  test('each can still be planted: the sources have not moved away from under it', () => {
    expect(PLANTED.flatMap((bug) => outOfDate(root, bug))).toEqual([])
    expect(PLANTED.length).toBeGreaterThanOrEqual(20)
  })

  test.each([
    ['nobody looks at signatures', 'I7'],
    ['gossip alone is to bring everything', 'I10'],
    ['answered before it is on disk', 'I1'],
  ])('%s: noticed', { timeout: 120_000 }, async (name, promise) => {
    const bug = PLANTED.find((one) => one.name === name)
    if (!bug) throw new Error(`there is no mistake called ${name}`)
    const { caughtBy } = await hunt(bug, { root, seedsMax: 40 })
    expect(caughtBy?.split(' ')[0]).toBe(promise)
  })
})
