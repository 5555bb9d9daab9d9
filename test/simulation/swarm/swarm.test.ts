import { describe, expect, it, test } from 'vitest'
import { Fleet } from './fleet.ts'
import { ingressDies, schedule } from './troubles.ts'

const RATE = 5e6
const MB = 1e6

describe('a simulated fleet', () => {
  // The short share; `npm run sim:swarm -- --schedules 500` is the long one.
  test.each([1, 11, 21])('ends every pull while an honest holder is there: schedules from %i', (from) => {
    for (let seed = from; seed < from + 10; seed++) {
      expect(new Fleet(schedule(seed)).run().unfinished, `seed ${seed}`).toEqual([])
    }
  })

  it.each([2, 4, 8, 16])('of %i is done about as soon as one node alone would be', (fetchers) => {
    const sites = [{ name: 'hub', fetchers, holders: 1, up: RATE, down: RATE }]
    const { doneMs, copiesFromHolders } = new Fleet({ seed: 1, bytes: 64 * MB, sites }).run()
    expect((doneMs.at(-1) ?? 0) / ((64 * MB) / RATE) / 1000).toBeLessThan(1.2)
    expect(copiesFromHolders).toBeLessThan(1.2)
  })

  const twoSites = {
    seed: 1,
    bytes: 64 * MB,
    sites: [
      { name: 'hub', fetchers: 3, holders: 1, up: 62.5 * MB, down: 62.5 * MB },
      { name: 'branch', fetchers: 4, holders: 0, up: 62.5 * MB, down: 62.5 * MB },
    ],
    link: { rate: 2.5 * MB, roundTripMs: 80 },
  }

  it('of two sites sends one copy over the link between them', () => {
    const { doneMs, copiesBetweenSites } = new Fleet(twoSites).run()
    expect(copiesBetweenSites).toBeLessThan(1.05)
    expect((doneMs.at(-1) ?? 0) / 25_600).toBeLessThan(1.2)
  })

  it('goes on with another ingress when one dies half-way, and asks for little twice', () => {
    const { doneMs, unfinished, copiesBetweenSites } = new Fleet({
      ...twoSites,
      troubles: ingressDies(0.5),
    }).run()
    expect(unfinished).toEqual([])
    expect(copiesBetweenSites).toBeLessThan(1.2)
    expect((doneMs.at(-1) ?? 0) / 25_600).toBeLessThan(1.2)
  })
})
