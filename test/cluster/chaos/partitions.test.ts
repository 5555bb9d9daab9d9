import { expect, test } from 'vitest'
import type { Way } from '../../support/network.ts'
import { PARTITIONS, type Partition } from './partitions.ts'
import { Seeded } from './seeded.ts'

const NODES = [0, 1, 2, 3, 4]
const seeds = Array.from({ length: 50 }, (_, seed) => new Seeded(String(seed)))

/** How many each node hears, itself included. */
function heard(ways: readonly Way[]): number[] {
  return NODES.map(
    (node) => NODES.length - new Set(ways.filter(({ to }) => to === node).map(({ from }) => from)).size,
  )
}

function sorted(counts: readonly number[]): string {
  return counts.toSorted((a, b) => a - b).join('')
}

const shapes: readonly (readonly [Partition, (ways: readonly Way[]) => boolean])[] = [
  ['isolate', (ways) => sorted(heard(ways)) === '14444'],
  ['halves', (ways) => sorted(heard(ways)) === '22333'],
  ['shatter', (ways) => heard(ways).join('') === '11111'],
  ['bridge', (ways) => sorted(heard(ways)) === '33335'],
  ['majorityRing', (ways) => heard(ways).join('') === '33333'],
  ['oneWay', (ways) => ways.length === 1 && sorted(heard(ways)) === '45555'],
  ['deaf', (ways) => sorted(heard(ways)) === '15555'],
  ['mute', (ways) => sorted(heard(ways)) === '44445'],
]

test.each(shapes)('%s cuts what its name says, whatever the seed', (name, fits) => {
  for (const random of seeds) {
    const ways = PARTITIONS[name](NODES, random)
    expect(fits(ways), JSON.stringify(ways)).toBe(true)
    expect(ways.some(({ from, to }) => from === to)).toBe(false)
  }
})

test('in a majority ring no two hear the same', () => {
  const ways = PARTITIONS.majorityRing(NODES, new Seeded('ring'))
  const views = NODES.map((node) =>
    ways
      .filter(({ to }) => to === node)
      .map(({ from }) => from)
      .join(),
  )
  expect(new Set(views).size).toBe(NODES.length)
})

test('one seed makes the same choices, another one others', () => {
  const choices = (seed: string) => {
    const random = new Seeded(seed).fork('a')
    return Array.from({ length: 20 }, () => random.integer(1000))
  }
  expect(choices('7')).toEqual(choices('7'))
  expect(choices('7')).not.toEqual(choices('8'))
})
