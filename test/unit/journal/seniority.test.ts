import { expect, test } from 'vitest'
import { rankOf } from '../../../src/journal/authority/needs.ts'
import { accountRight, projectRight, systemRight } from '../../../src/journal/authority/rights.ts'
import type { HistoryOp, Support } from '../../../src/journal/rows.ts'

const account: Support = { right: accountRight('dave'), grant: 'dave' }

/** Tables in which users' histories hold these grants. */
const tables = (...grants: Pick<HistoryOp, 'id' | 'rank'>[]) => ({ get: () => grants as never })

test('what founds the cluster is senior to everything', () => {
  expect(rankOf(tables(), [], { kind: 'cluster.founded' })).toBe(0)
  expect(rankOf(tables(), [[account]], { kind: 'cluster.recovered' })).toBe(0)
})

test('who gives himself a right without any power is junior to everybody, and so is what rests on that alone', () => {
  const promotion = rankOf(tables(), [[], [account], []], { kind: 'user.admin-set' })
  const itself: Support = { right: systemRight('dave'), grant: 'promotion' }
  const given: Support = { right: projectRight('shop', 'dave'), grant: 'given' }
  const known = tables({ id: 'promotion', rank: promotion }, { id: 'given', rank: 3 })
  expect(rankOf(known, [[account], [itself]], { kind: 'member.revoked' })).toBe(promotion)
  // Beside it he is as senior as somebody else has made him.
  expect(rankOf(known, [[account], [itself, given]], { kind: 'member.revoked' })).toBe(4)
  expect(promotion).toBeGreaterThan(1_000_000)
  expect(Number.isSafeInteger(promotion)).toBe(true)
})
