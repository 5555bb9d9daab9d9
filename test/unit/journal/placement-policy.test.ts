import { describe, expect, test } from 'vitest'
import { placementOf, residencyOf } from '../../../src/journal/placement-policy.ts'
import type { ProjectRow } from '../../../src/journal/rows.ts'

/** A project whose settings have these values, several where sites set them unaware of each other. */
const project = (settings: Record<string, readonly string[]>): Pick<ProjectRow, 'metadata'> => ({
  metadata: Object.fromEntries(
    Object.entries(settings).map(([key, values]) => [
      key,
      values.map((value, index) => ({
        id: `${index}`.padStart(22, 'i'),
        dot: { feed: `authority@n${index}`, seq: 1, index: 0 },
        depth: 1,
        actor: 'node',
        time: 0,
        value,
      })),
    ]),
  ),
})

describe('a project that says nothing', () => {
  test('keeps no copies, may be everywhere, and waits for no other site', () => {
    expect(placementOf(project({}))).toEqual({
      copies: 0,
      residency: null,
      durability: { sites: 1, waitMs: 30_000, fallback: 'degrade' },
    })
  })
})

describe('of settings made unaware of each other', () => {
  test('only sites that every list names may have the bytes', () => {
    const row = project({ residency: ['eu-1,eu-2', 'eu-2,us-1'] })
    expect(residencyOf(row)).toEqual(new Set(['eu-2']))
  })

  test('lists without a common site leave none', () => {
    expect(residencyOf(project({ residency: ['eu-1', 'us-1'] }))).toEqual(new Set())
  })

  test('a list beats its being taken away', () => {
    expect(residencyOf(project({ residency: ['', 'eu-1'] }))).toEqual(new Set(['eu-1']))
  })

  test('the most copies, the most sites, the longest wait and a refusal count', () => {
    const row = project({
      placement: ['on-demand', 'sites:3', 'sites:2'],
      durability: ['1', '2'],
      durability_wait: ['5', '60'],
      durability_fallback: ['degrade', 'refuse'],
    })
    expect(placementOf(row)).toMatchObject({
      copies: 3,
      durability: { sites: 2, waitMs: 60_000, fallback: 'refuse' },
    })
  })
})

test('a list of sites that cannot be read allows none, for it may be one of a newer version', () => {
  expect(residencyOf(project({ residency: ['region=eu'] }))).toEqual(new Set())
})

test('what is waited for is kept for good', () => {
  expect(placementOf(project({ durability: ['3'] })).copies).toBe(3)
  expect(placementOf(project({ placement: ['everywhere'], durability: ['3'] })).copies).toBe(
    Number.POSITIVE_INFINITY,
  )
})
