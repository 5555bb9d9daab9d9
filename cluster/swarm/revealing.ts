import type { Random } from '../../src/runtime/random.ts'

/** Pieces under way to one of several at a time: the next one is asked for while one is on the line. */
const AHEAD_PIECES = 2
/** Pieces under way at first to one that is alone, one more with each it gets: others may come the next moment. */
const ALONE_PIECES_MIN = 4
/** Pieces under way to all together; more only delay the moment the first of them can be passed on. */
const UNDER_WAY_PIECES = 16
/** A piece shown next is drawn from so many, so that two holders of a blob do not go through it in step. */
const DRAWN_FROM_PIECES = 8

/** A piece that may be told of to one peer. */
export interface Shown<P> {
  readonly to: P
  readonly piece: number
}

/**
 * What a holder of a whole blob tells of it to those that lack it: a few pieces at a time that none of them has, each
 * to one of them, in turns. So every piece leaves the holder about once, nearly in order, and they give to each other
 * what they got. This is super-seeding (BEP 16) among members, who need not be made to pass on what they have: the next
 * piece goes to whoever got its last one. `P` is a connection.
 */
export class Revealing<P> {
  readonly #pieceCount: number
  readonly #aloneAhead: number
  readonly #random: Random
  /** Pieces under way to each. */
  readonly #peers = new Map<P, Set<number>>()
  /** How many have each piece, or will. */
  readonly #copies: Uint16Array
  /** Whose turn it is. */
  readonly #line: P[] = []
  #underWay = 0
  #aloneNow = ALONE_PIECES_MIN
  /** Every piece before this one is out. */
  #next = 0

  /** @param aloneAhead pieces under way to one that is the only one: a long line has to be filled */
  constructor(pieceCount: number, aloneAhead: number, random: Random) {
    this.#pieceCount = pieceCount
    this.#aloneAhead = Math.max(ALONE_PIECES_MIN, aloneAhead)
    this.#random = random
    this.#copies = new Uint16Array(pieceCount)
  }

  /** Somebody has every piece, or gets it now: nothing is held back any more. */
  get over(): boolean {
    while (this.#copies[this.#next]) this.#next++
    return this.#next >= this.#pieceCount
  }

  /** @param pieces what it has already */
  joined(peer: P, pieces: Iterable<number>): readonly Shown<P>[] {
    this.#aloneNow = ALONE_PIECES_MIN
    for (const underWay of this.#peers.values()) this.#shareOut(underWay)
    this.#peers.set(peer, new Set())
    for (const piece of pieces) this.#count(piece, 1)
    this.#line.push(peer)
    return this.#show()
  }

  /** It says that it has got this piece, from whomever. */
  got(peer: P, piece: number): readonly Shown<P>[] {
    const underWay = this.#peers.get(peer)
    if (!underWay) return []
    if (!underWay.delete(piece)) {
      this.#count(piece, 1)
      return []
    }
    this.#underWay--
    if (this.#peers.size === 1) this.#aloneNow = Math.min(this.#aloneAhead, this.#aloneNow + 1)
    if (!this.#line.includes(peer)) this.#line.push(peer)
    return this.#show()
  }

  /** @param pieces what it had */
  left(peer: P, pieces: Iterable<number>): readonly Shown<P>[] {
    const underWay = this.#peers.get(peer)
    if (!underWay) return []
    this.#peers.delete(peer)
    for (const piece of pieces) this.#count(piece, -1)
    for (const piece of underWay) this.#count(piece, -1)
    this.#underWay -= underWay.size
    return this.#show()
  }

  /** What was shown to one that was alone, and is most likely not asked for yet, is open to others again. */
  #shareOut(underWay: Set<number>): void {
    for (const piece of [...underWay].sort((a, b) => a - b).slice(ALONE_PIECES_MIN)) {
      underWay.delete(piece)
      this.#underWay--
      this.#count(piece, -1)
    }
  }

  #count(piece: number, by: 1 | -1): void {
    this.#copies[piece] = (this.#copies[piece] ?? 0) + by
    if (this.#copies[piece] === 0) this.#next = Math.min(this.#next, piece)
  }

  #show(): Shown<P>[] {
    const shown: Shown<P>[] = []
    const ahead = this.#peers.size === 1 ? this.#aloneNow : AHEAD_PIECES
    const underWayMax = Math.max(ahead, UNDER_WAY_PIECES)
    for (let waiting = this.#line.length; waiting > 0 && !this.over; waiting--) {
      const to = this.#line.shift() as P
      const underWay = this.#peers.get(to)
      if (!underWay || underWay.size >= ahead) continue
      // Everybody may have one under way, or a few that stand still would hold up all others.
      if (this.#underWay >= underWayMax && underWay.size > 0) {
        this.#line.push(to)
        continue
      }
      const piece = this.#peers.size === 1 ? this.#next : this.#draw()
      this.#count(piece, 1)
      this.#underWay++
      underWay.add(piece)
      shown.push({ to, piece })
      if (underWay.size >= ahead) continue
      this.#line.push(to)
      waiting++
    }
    return shown
  }

  #draw(): number {
    let left = this.#random.integer(DRAWN_FROM_PIECES)
    let drawn = this.#next
    for (let piece = this.#next + 1; left > 0 && piece < this.#pieceCount; piece++) {
      if (this.#copies[piece]) continue
      drawn = piece
      left--
    }
    return drawn
  }
}
