import { expect, test } from 'vitest'
import type { Block } from '../../../../cluster/ledger/block-format.ts'
import { judge, type View } from '../../../../cluster/ledger/judge.ts'
import type { Entry } from '../../../../src/journal/op.ts'

const MINE = 'authority@author'
const FORKED = 'authority@liar'
const FOUNDER = 'authority@founder'

/** The liar's feed ends behind its first entry; the founder's second rests on what came after that one. */
const view: View = {
  feed: (feed) => ({
    seq: { [FORKED]: 1, [FOUNDER]: 2 }[feed] ?? 0,
    depth: 0,
    seen: {},
    hash: undefined,
  }),
  at: (feed, seq) => ({ depth: feed === FOUNDER && seq === 2 ? 18 : 1, hash: 'h' }),
  isAdmitted: () => true,
  isForked: (feed) => feed === FORKED,
  isDisowned: () => false,
  forkedAt: (feed) => (feed === FORKED ? 2 : Number.POSITIVE_INFINITY),
  isExpired: () => false,
  floor: () => 1,
}

function first(depth: number): Block {
  const seen = { [FORKED]: 1, [FOUNDER]: 2 }
  const place = { lane: 'authority', author: 'author', cluster: 'c', seq: 1 } as const
  const entry: Entry = { format: 1, time: 0, ops: [], ...place, depth, seen }
  return { entry, feed: MINE, hash: 'x', next: undefined, bytes: new Uint8Array(), verify: async () => {} }
}

test('who writes after a fork was taken back is as deep as what it had seen, though that rested on the fork', () => {
  expect(judge(first(19), view, 'c')).toEqual({ is: 'fit' })
  expect(judge(first(18), view, 'c')).toEqual({ is: 'refused', code: 'DEPTH_INVALID' })
  expect(judge(first(20), view, 'c')).toEqual({ is: 'refused', code: 'DEPTH_INVALID' })
})
