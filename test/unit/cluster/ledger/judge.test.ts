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

const JUST_ADMITTED = 'authority@newcomer'

test('who writes after a fork was taken back is as deep as what it had seen, though that rested on the fork', () => {
  expect(judge(first(19), view, 'c')).toEqual({ is: 'fit' })
  expect(judge(first(18), view, 'c')).toEqual({ is: 'refused', code: 'DEPTH_INVALID' })
})

test('what rested on a fork and was taken back itself is nowhere, and who had seen it no less deep', () => {
  // Its author had taken the liar's second entry back already, and then the newcomer's went, which rested on it.
  const seen = { [FORKED]: 1, [JUST_ADMITTED]: 1 }
  const written = first(19)
  const block = { ...written, entry: { ...written.entry, seen } }
  const isForked = (feed: string) => feed === FORKED || feed === JUST_ADMITTED
  const forkedAt = (feed: string) => (feed === JUST_ADMITTED ? 1 : view.forkedAt(feed))
  expect(judge(block, { ...view, isForked, forkedAt }, 'c')).toEqual({ is: 'fit' })
})

test('a fork is no leave to claim any depth', () => {
  expect(judge(first(20_000), view, 'c')).toEqual({ is: 'refused', code: 'DEPTH_INVALID' })
})
