import { expect, test } from 'vitest'
import { mayDeleteBytes, type Unreferenced } from '../../../src/journal/stability.ts'

const removal = { feed: 'catalog/system@a', seq: 3 }
const about: Unreferenced = {
  referenced: false,
  leased: false,
  unreferencedMs: 1001,
  graceMs: 1000,
  removals: [removal],
  members: ['a', 'b'],
  seen: new Map([
    ['a', { 'catalog/system@a': 3 }],
    ['b', { 'catalog/system@a': 4 }],
  ]),
}

test('bytes nothing refers to go once the grace is over and every member has seen why', () => {
  expect(mayDeleteBytes(about)).toBe(true)
})

test.each([
  ['something refers to them', { referenced: true }],
  ['an upload counts on them', { leased: true }],
  ['the grace is not over', { unreferencedMs: 1000 }],
  ['a member has not seen the removal', { seen: new Map([...about.seen, ['b', { 'catalog/system@a': 2 }]]) }],
  ['a member has said nothing yet', { members: ['a', 'b', 'c'] }],
])('they stay while %s', (_when, change) => {
  expect(mayDeleteBytes({ ...about, ...change })).toBe(false)
})
