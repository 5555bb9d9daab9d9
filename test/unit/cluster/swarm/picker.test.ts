import { describe, expect, it } from 'vitest'
import { type Choice, choosePiece, rankAmong, type Share } from '../../../../cluster/swarm/picker.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'

const TWICE_SEEN = 1
/** Of every three pieces the last is this node's, and the one before it when its owner does nothing. */
const THIRDS: Share = { rank: (piece) => 2 - (piece % 3), spare: 0, overdue: 0 }

function choice(facts: Partial<Choice>): Choice {
  return {
    pieceCount: 1000,
    front: undefined,
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
    expect(new Set(many({ shared: true, share: THIRDS, front: 9 }))).toEqual(new Set([11]))
    expect(new Set(many({ shared: true, share: THIRDS, begun: [12, 14] }))).toEqual(new Set([14]))
    const after = (first: number) => (piece: number) => piece > first
    expect(new Set(many({ shared: true, share: THIRDS, isOpen: after(20) }))).toEqual(new Set([23]))
    const others = (piece: number) => piece % 3 === 0
    expect(new Set(many({ shared: true, share: THIRDS, isOpen: others }))).toEqual(new Set([-1]))
  })

  it('is of a seeder what a reader waits for, though it is not of the own share, when it has stood still', () => {
    const share = { ...THIRDS, overdue: 1 }
    expect(new Set(many({ shared: true, share, front: 9 }))).toEqual(new Set([10]))
    expect(new Set(many({ shared: true, share: { ...share, overdue: 2 }, front: 9 }))).toEqual(new Set([9]))
  })

  it('is from behind, and of whom this node is next to, when a seeder idles', () => {
    const isOpen = (piece: number) => piece % 3 !== 2
    const share = { ...THIRDS, spare: 1 }
    expect(new Set(many({ shared: true, share, isOpen }))).toEqual(new Set([997]))
    expect(new Set(many({ shared: true, share: { ...share, spare: 2 }, isOpen }))).toEqual(new Set([999]))
    expect(new Set(many({ shared: true, share }))).toEqual(new Set([2]))
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

describe('shares of a seeder among fellows', () => {
  const names = ['ada', 'bob', 'cid', 'dot']
  const without = (name: string, of = names) => of.filter((one) => one !== name)
  const ranks = names.map((self) => rankAmong(self, without(self)))
  const pieces = Array.from({ length: 2000 }, (_, piece) => piece)

  it('give each piece to one of them, another one is next, and so on', () => {
    for (const piece of pieces)
      expect(new Set(ranks.map((rank) => rank(piece)))).toEqual(new Set([0, 1, 2, 3]))
  })

  it('are about as large for each', () => {
    for (const rank of ranks) {
      const part = pieces.filter((piece) => rank(piece) === 0).length / pieces.length
      expect(part).toBeGreaterThan(0.2)
      expect(part).toBeLessThan(0.3)
    }
  })

  it('change for nobody but by what goes to one who comes', () => {
    const grown = [...names, 'eve']
    for (const [index, self] of names.entries()) {
      const after = rankAmong(self, without(self, grown))
      expect(pieces.filter((piece) => after(piece) === 0 && ranks[index]?.(piece) !== 0)).toEqual([])
    }
  })

  it('are everything for one who is alone', () => {
    expect(pieces.every((piece) => rankAmong('ada', [])(piece) === 0)).toBe(true)
  })
})
