import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Berth } from '../../../../cluster/placement/berths.ts'
import { planCopies, type Stored } from '../../../../cluster/placement/plan.ts'
import { parseDigest } from '../../../../src/oci/digest.ts'

const berth = (name: string): Berth => ({ id: name, name, site: name.split('-')[0] ?? '' })
const BERTHS = ['a-1', 'a-2', 'b-1', 'b-2', 'b-3', 'c-1', 'd-1', 'd-2'].map(berth)
const stored = (number: number, homes: string[], repository = 'p/app'): Stored => ({
  digest: parseDigest(`sha256:${createHash('sha256').update(`${number}`).digest('hex')}`),
  repository,
  homes,
})
const many = Array.from({ length: 300 }, (_, index) => index)
const ids = (berths: readonly Berth[]) => berths.map(({ id }) => id)

describe('copies of a blob', () => {
  test('are kept first where it was pushed, then at other sites, one node each', () => {
    for (const number of many) {
      const keepers = planCopies(stored(number, ['b-2']), 3, BERTHS)
      expect(keepers[0]?.id).toBe('b-2')
      expect(new Set(keepers.map(({ site }) => site)).size).toBe(3)
    }
  })

  test('are at every site where everywhere is asked for, and nowhere where nothing is', () => {
    const everywhere = planCopies(stored(1, []), Number.POSITIVE_INFINITY, BERTHS)
    expect(everywhere.map(({ site }) => site).toSorted()).toEqual(['a', 'b', 'c', 'd'])
    expect(planCopies(stored(1, ['a-1']), 0, BERTHS)).toEqual([])
  })

  test('come out the same in whatever order the members are known', () => {
    const backwards = BERTHS.toReversed()
    for (const number of many) {
      const one = stored(number, ['c-1'])
      expect(ids(planCopies(one, 2, backwards))).toEqual(ids(planCopies(one, 2, BERTHS)))
    }
  })

  test('of one repository are at one other site, spread over its nodes; other repositories are at others', () => {
    const second = (number: number, repository: string) =>
      planCopies(stored(number, ['a-1'], repository), 2, BERTHS)[1] as Berth
    for (const repository of ['p/one', 'p/two', 'p/three']) {
      expect(new Set(many.map((number) => second(number, repository).site)).size).toBe(1)
    }
    const sites = many.map((number) => second(1, `p/r${number}`).site)
    for (const site of ['b', 'c', 'd']) expect(sites.filter((one) => one === site).length).toBeGreaterThan(50)
    const nodes = many.map((number) => second(number, 'p/one'))
    const perNode = Map.groupBy(nodes, ({ id }) => id)
    const ofSite = BERTHS.filter(({ site }) => site === nodes[0]?.site)
    for (const { id } of ofSite) {
      expect(perNode.get(id)?.length).toBeGreaterThan((0.5 * many.length) / ofSite.length)
    }
  })

  test('stay where they are when somebody goes who kept none of them', () => {
    let moved = 0
    for (const number of many) {
      const one = stored(number, ['a-1'], `p/r${number}`)
      const before = ids(planCopies(one, 2, BERTHS))
      const after = ids(
        planCopies(
          one,
          2,
          BERTHS.filter(({ id }) => id !== 'd-2'),
        ),
      )
      if (before.includes('d-2')) moved++
      else expect(after).toEqual(before)
      expect(after).toHaveLength(2)
    }
    expect(moved).toBeGreaterThan(0)
  })

  test('come back to their number when the node goes where it was pushed', () => {
    const left = BERTHS.filter(({ site }) => site !== 'c')
    for (const number of many) expect(planCopies(stored(number, ['c-1']), 2, left)).toHaveLength(2)
  })
})
