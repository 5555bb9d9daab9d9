import { encode } from 'cborg'
import { expect, test } from 'vitest'
import { encodeHistory, withVerdict } from '../../../src/journal/history-bytes.ts'
import type { HistoryOp, Refused } from '../../../src/journal/rows.ts'

const REFUSALS: readonly (Refused | null)[] = [
  null,
  { reason: 'powerless', beatenBy: null },
  { reason: 'revoked', beatenBy: 'abcdefghijklmnopqrstuv' },
]

function opNumber(n: number): HistoryOp {
  return {
    id: `op-${n}`,
    dot: { feed: 'authority@peer', seq: n + 1, index: n % 3 },
    depth: n + 1,
    time: 1_700_000_000_000 + n,
    author: 'peer',
    actor: 'user',
    kind: 'user.profile-set',
    body: { user: 'u', comment: `Änderung ${n}` },
    past: { 'authority@other': n + 1 },
    needs: [[{ right: 'user:u#account', grant: 'g' }], []],
    rank: n % 5,
    refused: REFUSALS[n % REFUSALS.length] ?? null,
  }
}

test.each([0, 1, 23, 24, 255, 256, 70_000])(
  'the bytes of a history of %i ops are those of a plain row',
  (length) => {
    const history = Array.from({ length }, (_, n) => opNumber(n))
    expect(Buffer.compare(encodeHistory(history), encode(history))).toBe(0)
  },
)

test('verdicts that change, again and again, leave the bytes those of a plain row', () => {
  let history = Array.from({ length: 40 }, (_, n) => opNumber(n))
  encodeHistory(history)
  for (const [n, refused] of [...REFUSALS, ...REFUSALS].entries()) {
    history = history.map((op, at) => (at % (n + 1) === 0 ? withVerdict(op, refused) : op))
    history.push(opNumber(history.length))
    expect(Buffer.compare(encodeHistory(history), encode(history))).toBe(0)
  }
})
