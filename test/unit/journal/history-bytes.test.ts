import { expect, test } from 'vitest'
import { continues, packHistory, unpackHistory } from '../../../src/journal/history-bytes.ts'
import type { HistoryOp, Refused } from '../../../src/journal/rows.ts'

const REFUSALS: readonly (Refused | null)[] = [
  null,
  { reason: 'powerless', beatenBy: null },
  { reason: 'revoked', beatenBy: 'abcdefghijklmnopqrstuv' },
]

function opNumber(n: number): HistoryOp {
  return {
    id: `op-${n}`,
    dot: { feed: `authority@peer${n % 2}`, seq: n + 1, index: n % 3 },
    depth: n + 1,
    time: 1_700_000_000_000 + n,
    author: `peer${n % 2}`,
    actor: n % 5 === 0 ? 'node' : 'user',
    kind: 'user.profile-set',
    body: { user: 'u', comment: `Änderung ${n}` },
    past: { 'authority@other': Math.floor(n / 7) },
    needs: [[{ right: 'user:u#account', grant: `g${Math.floor(n / 11)}` }], []],
    rank: n % 5,
    refused: REFUSALS[Math.floor(n / 4) % REFUSALS.length] ?? null,
  }
}

/** A disk with the two rows of one history. */
class Rows {
  ops: Uint8Array | undefined
  refused: Uint8Array | undefined
  /** How many rows were written. */
  written = 0

  put(history: readonly HistoryOp[]): void {
    const { ops, refused, wasRefused, stored } = packHistory(history)
    this.written += (ops ? 1 : 0) + (refused || wasRefused ? 1 : 0)
    if (ops) this.ops = ops
    if (refused || wasRefused) this.refused = refused
    stored()
  }

  get(): readonly HistoryOp[] {
    return unpackHistory(this.ops as Uint8Array, this.refused)
  }
}

test.each([1, 23, 24, 255, 256, 70_000])('a history of %i ops is read as it was written', (length) => {
  const history = Array.from({ length }, (_, n) => opNumber(n))
  const rows = new Rows()
  rows.put(history)
  expect(rows.get()).toEqual(history)
})

test('a history that grows op by op, read anew now and then, is read as it was written', () => {
  const rows = new Rows()
  let history: readonly HistoryOp[] = []
  for (let n = 0; n < 300; n++) {
    const longer = [...history, opNumber(n)]
    continues(longer, history)
    history = longer
    // Several changes may become one batch.
    if (n % 3 !== 0) rows.put(history)
    if (n % 50 === 49) {
      rows.put(history)
      expect(rows.get()).toEqual(history)
      history = rows.get()
    }
  }
  rows.put(history)
  expect(rows.get()).toEqual(history)
})

test('an op that comes late stands where it belongs', () => {
  const rows = new Rows()
  const [first, second, third] = [opNumber(1), opNumber(2), opNumber(3)]
  rows.put([first, third])
  rows.put([first, second, third])
  expect(rows.get()).toEqual([first, second, third])
})

test('verdicts that change, again and again, are read as decided, and the ops are not written again', () => {
  const rows = new Rows()
  let history: readonly HistoryOp[] = Array.from({ length: 40 }, (_, n) => opNumber(n))
  rows.put(history)
  const { ops } = rows
  for (const [n, refused] of [...REFUSALS, ...REFUSALS].entries()) {
    const decided = history.map((op, at) => (at % (n + 1) === 0 ? { ...op, refused } : op))
    continues(decided, history)
    history = n % 2 === 0 ? decided : rows.get()
    rows.put(history)
    expect(rows.get()).toEqual(history)
    expect(rows.ops).toBe(ops)
  }
})

test('of a history all of which counts no refusals are written or taken back', () => {
  const rows = new Rows()
  const first: readonly HistoryOp[] = [{ ...opNumber(0), refused: null }]
  continues(first, [])
  rows.put(first)
  const longer = [...first, { ...opNumber(1), refused: null }]
  continues(longer, first)
  rows.put(longer)
  expect(rows.written).toBe(2)
  expect(rows.get()).toEqual(longer)
})

test('a history that could not be written is written whole the next time', () => {
  const rows = new Rows()
  const first: readonly HistoryOp[] = [opNumber(0)]
  rows.put(first)
  const longer = [...first, opNumber(1)]
  continues(longer, first)
  // Its bytes are never said to be stored.
  packHistory(longer)
  rows.put(longer)
  expect(rows.get()).toEqual(longer)
  const other = [...first, opNumber(2)]
  continues(other, first)
  rows.put(other)
  expect(rows.get()).toEqual(other)
})
