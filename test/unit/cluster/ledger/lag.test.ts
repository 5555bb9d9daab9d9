import { expect, test } from 'vitest'
import { Lag } from '../../../../cluster/ledger/lag.ts'
import type { Frontier } from '../../../../src/journal/op.ts'
import { runtime } from '../network/cast.ts'

function ears() {
  const state = { nowMs: 0, frontier: {} as Frontier, forkedAt: Number.POSITIVE_INFINITY }
  const clock = { ...runtime.clock, monotonic: () => state.nowMs }
  const lag = new Lag(clock, { frontier: () => state.frontier, forkedAt: () => state.forkedAt })
  const heard = (seq: number) => lag.heard(new Map([['authority@a', { seq, hash: 'h' }]]))
  return { state, lag, heard }
}

test('a node knows how long it has lacked what others say exists', () => {
  const { state, lag, heard } = ears()
  expect(lag.ms).toBeNull()
  heard(3)
  state.nowMs = 5_000
  heard(9)
  expect(lag.ms).toBe(5_000)
  state.frontier = { 'authority@a': 3 }
  expect(lag.ms).toBeNull()
  heard(9)
  state.nowMs = 6_000
  expect(lag.ms).toBe(1_000)
  lag.heard(undefined)
  state.frontier = { 'authority@a': 9 }
  expect(lag.ms).toBeNull()
})

test('what lies behind a fork is not lacking', () => {
  const { state, lag, heard } = ears()
  state.forkedAt = 4
  state.frontier = { 'authority@a': 3 }
  heard(9)
  expect(lag.ms).toBeNull()
})
