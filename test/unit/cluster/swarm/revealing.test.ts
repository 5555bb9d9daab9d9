import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Revealing, type Shown } from '../../../../cluster/swarm/revealing.ts'
import { SeededRandom } from '../../../simulation/world/random.ts'

const PIECES = 100
const WINDOW = 32

const revealing = (seed = 1, now = () => 0) =>
  new Revealing<string>(PIECES, WINDOW, new SeededRandom(seed), { monotonic: now })
const piecesFor = (who: string, shown: readonly Shown<string>[]) =>
  shown.filter(({ to }) => to === who).map(({ piece }) => piece)

describe('a holder that several take a blob from', () => {
  it('shows one that is alone more and more from the front on, so that a long line gets full', () => {
    const holder = revealing()
    const underWay = piecesFor('a', holder.joined('a', []))
    expect(underWay).toEqual([0, 1, 2, 3])
    let most = 0
    for (let piece = 0; piece < PIECES; piece++) {
      expect(underWay.shift()).toBe(piece)
      underWay.push(...piecesFor('a', holder.got('a', piece)))
      most = Math.max(most, underWay.length)
    }
    expect(most).toBe(WINDOW)
  })

  it('opens to a second one what the first was shown while it was alone', () => {
    const holder = revealing()
    let [piece] = piecesFor('a', holder.joined('a', []))
    for (let n = 0; n < 20; n++) piece = piecesFor('a', holder.got('a', piece ?? n))[0] ?? n + 1
    const others = ['b', 'c', 'd', 'e', 'f', 'g'].flatMap((name) => piecesFor(name, holder.joined(name, [])))
    expect(new Set(others).size).toBe(others.length)
    expect(Math.min(...others)).toBeLessThan(20 + WINDOW)
  })

  it('shows each piece to one of several only, until all are out', () => {
    const holder = revealing()
    const underWay: Shown<string>[] = []
    for (const peer of ['a', 'b', 'c']) underWay.push(...holder.joined(peer, []))
    const out: number[] = []
    for (let next = underWay.shift(); next; next = underWay.shift()) {
      out.push(next.piece)
      underWay.push(...holder.got(next.to, next.piece))
    }
    expect(new Set(out.slice(0, PIECES)).size).toBe(PIECES)
  })

  it('then helps with what the fewest have, and gives the last first copies the line', () => {
    const holder = revealing()
    const all = Array.from({ length: PIECES }, (_, n) => n)
    const toA = piecesFor('a', holder.joined('a', all.slice(0, PIECES - 2)))
    expect(toA.sort((a, b) => a - b)).toEqual([PIECES - 2, PIECES - 1])
    holder.joined('b', all.slice(0, 40))
    const toC = piecesFor('c', holder.joined('c', all.slice(0, 30)))
    expect(toC.length).toBeGreaterThan(0)
    for (const piece of toC) expect(piece >= 40 && piece < PIECES - 2).toBe(true)
  })

  it('shows what one has had to another once that one is gone, and what was under way to it', () => {
    const holder = revealing()
    const toA = piecesFor('a', holder.joined('a', []))
    holder.got('a', toA[0] as number)
    const before = piecesFor('b', holder.joined('b', []))
    expect(before).not.toContain(toA[0])
    const underWay = [...before, ...piecesFor('b', holder.left('a'))]
    const got: number[] = []
    for (let piece = underWay.shift(); piece !== undefined; piece = underWay.shift()) {
      got.push(piece)
      underWay.push(...piecesFor('b', holder.got('b', piece)))
    }
    expect(got).toEqual(expect.arrayContaining(toA))
    expect(got).toHaveLength(PIECES)
  })

  it('gives everything to one that gets nothing from others', () => {
    const holder = revealing()
    const all = Array.from({ length: PIECES }, (_, n) => n)
    holder.joined('a', all)
    const underWay = piecesFor('b', holder.joined('b', []))
    const got = new Set<number>()
    for (let piece = underWay.shift(); piece !== undefined; piece = underWay.shift()) {
      got.add(piece)
      underWay.push(...piecesFor('b', holder.got('b', piece)))
    }
    expect(got.size).toBe(PIECES)
  })

  it('has few pieces under way together where they take long, and more where they do not', () => {
    const most = (pieceMs: number): number => {
      let now = 0
      const holder = revealing(1, () => now)
      const underWay = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].flatMap((name) => [
        ...holder.joined(name, []),
      ])
      for (let n = 0; n < 60; n++) {
        now += pieceMs / underWay.length
        const next = underWay.shift() as Shown<string>
        underWay.push(...holder.got(next.to, next.piece))
      }
      return underWay.length
    }
    expect(most(100)).toBeGreaterThan(16)
    expect(most(6_000)).toBe(8)
  })

  it('keeps showing to those that go on when others stand still, which are shown no more', () => {
    let now = 0
    const holder = revealing(1, () => now)
    const names = Array.from({ length: 20 }, (_, n) => `still-${n}`)
    const still = names.flatMap((name) => [...holder.joined(name, [])])
    expect(piecesFor('quick', holder.joined('quick', []))).toEqual([])
    expect(holder.waits).toBe(true)
    now += 10_000
    const shown = [...holder.lookAgain()]
    const stood = new Set(still.map(({ to }) => to))
    for (let n = 0; n < 30; n++) {
      const next = shown.find(({ to }) => to === 'quick')
      if (!next) {
        now += 10_000
        shown.push(...holder.lookAgain())
        continue
      }
      shown.splice(shown.indexOf(next), 1)
      shown.push(...holder.got('quick', next.piece))
    }
    expect(shown.filter(({ to }) => stood.has(to))).toEqual([])
    expect(holder.got('quick', 99)).toBeDefined()
  })

  it('lets everybody have everything in the end, whoever comes and goes, whatever order things arrive in', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat(5), { maxLength: 300 }), (seed, doings) => {
        let now = 0
        const holder = revealing(seed, () => now)
        const has = new Map<string, Set<number>>()
        const told = new Map<string, Set<number>>()
        const tell = (shown: readonly Shown<string>[]) => {
          for (const { to, piece } of shown) told.get(to)?.add(piece)
        }
        for (const [at, doing] of doings.entries()) {
          const names = [...has.keys()]
          const name = names[at % Math.max(1, names.length)]
          if (doing === 0 || name === undefined) {
            has.set(`peer-${at}`, new Set())
            told.set(`peer-${at}`, new Set())
            tell(holder.joined(`peer-${at}`, []))
          } else if (doing === 1) {
            has.delete(name)
            told.delete(name)
            tell(holder.left(name))
          } else {
            const piece = [...(told.get(name) ?? [])].find((one) => !has.get(name)?.has(one))
            if (piece === undefined) continue
            has.get(name)?.add(piece)
            tell(holder.got(name, piece))
          }
        }
        // From here on all get what they were told of.
        let moved = true
        while (moved) {
          now += 10_000
          tell(holder.lookAgain())
          moved = false
          for (const [name, had] of has) {
            for (const piece of told.get(name) ?? []) {
              if (had.has(piece)) continue
              had.add(piece)
              tell(holder.got(name, piece))
              moved = true
            }
          }
        }
        for (const had of has.values()) expect(had.size).toBe(PIECES)
      }),
    )
  })
})
