import { expect, test } from 'vitest'
import { type NoticeFacts, noticesOf } from '../../../../cluster/membership/notices.ts'
import type { Member } from '../../../../cluster/membership/roster.ts'

const NOW = Date.UTC(2026, 10, 23, 12)
const DAY = 24 * 60 * 60_000

function member(name: string, facts: Partial<Member> = {}): Member {
  const where = { site: 'here', addresses: [], swarm: [], url: null, sealKey: null, admittedBy: null }
  return { id: `id-of-${name}`, name, state: 'member', role: 'anchor', notAfter: null, ...where, ...facts }
}

function told(facts: Partial<NoticeFacts>): string[] {
  const nobody = { refusedBy: [], hungUpBy: [], heldEvicted: [], forked: [] }
  const quiet = { ...nobody, connected: 1, writable: true, laggingMs: null, lagMsMax: 60_000 }
  return noticesOf({ self: member('me'), members: [], now: NOW, ...quiet, ...facts })
}

test('a node that is well has nothing to say', () => {
  expect(told({ members: [member('other', { notAfter: NOW + DAY })], laggingMs: 59_000 })).toEqual([])
  expect(told({ self: undefined })).toEqual([])
})

test.each<[string, Partial<NoticeFacts>, RegExp]>([
  [
    'its term is over',
    { self: member('me', { notAfter: NOW }) },
    /ended on 2026-11-23 12:00.*flotilla join INVITE/,
  ],
  ['its term is nearly over', { self: member('me', { notAfter: NOW + DAY }) }, /ends on 2026-11-24 12:00/],
  ['it is forked', { writable: false }, /writes no more/],
  ['its keys are outdated', { refusedBy: ['a', 'b'], connected: 0 }, /asked: a, b.*flotilla join INVITE/],
  ['it is kept in the dark', { laggingMs: 61_000 }, /^degraded: for 61 s/],
  ['another is forked', { forked: ['id-of-twin'], members: [member('twin')] }, /under the name of: twin;/],
  ['members hang up on it', { hungUpBy: ['a', 'b'] }, /hung up on by a, b without a word.*flotilla nodes/],
  [
    'others hold it evicted, and it knows better',
    { heldEvicted: [{ by: 'a', author: 'b', reason: 'lost' }] },
    /^a holds that this node was evicted by b \(lost\).*stop this node/,
  ],
  ['somebody waits', { members: [member('new', { state: 'pending' })] }, /flotilla node approve new/],
  ['another’s term is over', { members: [member('shop', { notAfter: NOW - 1 })] }, /of shop ended/],
])('where %s it says so, and what to do', (_, facts, words) => {
  expect(told(facts)).toEqual([expect.stringMatching(words)])
})

test('keys that one member refuses are no matter while another lets the node in', () => {
  expect(told({ refusedBy: ['a'], connected: 1 })).toEqual([])
})

test.each(['left', 'evicted'] as const)(
  'of a node with two histories that has %s nothing is said any more',
  (state) => {
    expect(told({ forked: ['id-of-twin'], members: [member('twin', { state })] })).toEqual([])
  },
)
