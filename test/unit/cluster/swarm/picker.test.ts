import { describe, expect, it } from 'vitest'
import { type Choice, choosePiece } from '../../../../cluster/swarm/picker.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'

const TWICE_SEEN = 1

function choice(facts: Partial<Choice>): Choice {
  return {
    pieceCount: 1000,
    front: undefined,
    overdue: false,
    share: undefined,
    firstMissing: 0,
    begun: [],
    shared: false,
    isOpen: () => true,
    holders: () => TWICE_SEEN,
    ...facts,
  }
}

const many = (facts: Partial<Choice>) =>
  Array.from({ length: 200 }, () => choosePiece(choice(facts), systemRandom))

describe('the choice of the next piece', () => {
  it('is what a waiting reader lacks, before all else', () => {
    expect(new Set(many({ front: 17, begun: [400], shared: true }))).toEqual(new Set([17]))
    expect(new Set(many({ front: 17, shared: true, isOpen: (piece) => piece !== 17 }))).toEqual(new Set([18]))
  })

  it('is a piece that is begun, before a new one', () => {
    expect(new Set(many({ begun: [400, 500], shared: true, isOpen: (piece) => piece !== 400 }))).toEqual(
      new Set([500]),
    )
  })

  it('is the next in order while only seeders are there', () => {
    expect(new Set(many({ firstMissing: 5 }))).toEqual(new Set([5]))
    expect(new Set(many({ front: 30, isOpen: (piece) => piece > 40 }))).toEqual(new Set([41]))
  })

  it('is spread over the whole blob among leechers when nobody reads', () => {
    const chosen = many({ shared: true })
    expect(new Set(chosen).size).toBeGreaterThan(50)
    expect(Math.max(...chosen)).toBeGreaterThan(500)
  })

  it('is of a seeder only the next of one own share while there are fellow leechers', () => {
    const share = { rank: 2, of: 3 }
    expect(new Set(many({ shared: true, share, front: 9 }))).toEqual(new Set([11]))
    expect(new Set(many({ shared: true, share, begun: [12, 14] }))).toEqual(new Set([14]))
    expect(new Set(many({ shared: true, share, isOpen: (piece) => piece > 20 }))).toEqual(new Set([23]))
    expect(new Set(many({ shared: true, share, isOpen: (piece) => piece % 3 === 0 }))).toEqual(new Set([-1]))
  })

  it('is the front from whoever has it when it has stood still', () => {
    const share = { rank: 2, of: 3 }
    expect(new Set(many({ shared: true, share, front: 9, overdue: true }))).toEqual(new Set([9]))
  })

  it('stays within a window after the front among leechers while somebody reads', () => {
    const chosen = many({ shared: true, front: 100, isOpen: (piece) => piece > 110 })
    expect(new Set(chosen).size).toBeGreaterThan(50)
    expect(Math.min(...chosen)).toBeGreaterThan(110)
    expect(Math.max(...chosen)).toBeLessThan(100 + 250)
  })

  it('prefers what few have', () => {
    const rare = new Set([3, 40])
    const facts = { pieceCount: 50, shared: true, holders: (piece: number) => (rare.has(piece) ? 1 : 5) }
    const hits = many(facts).filter((piece) => rare.has(piece)).length
    expect(hits).toBeGreaterThan(100)
  })

  it('leaves the window rather than a connection idle, and comes back to what was passed over', () => {
    expect(new Set(many({ shared: true, front: 0, isOpen: (piece) => piece === 999 }))).toEqual(
      new Set([999]),
    )
    expect(new Set(many({ shared: true, front: 500, isOpen: (piece) => piece === 3 }))).toEqual(new Set([3]))
  })

  it('is none where nothing is open', () => {
    expect(new Set(many({ shared: true, front: 4, isOpen: () => false }))).toEqual(new Set([-1]))
    expect(new Set(many({ firstMissing: 1000, isOpen: () => false }))).toEqual(new Set([-1]))
  })
})
