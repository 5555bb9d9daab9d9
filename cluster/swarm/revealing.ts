import type { Clock } from '../../src/runtime/clock.ts'
import type { Random } from '../../src/runtime/random.ts'
import { addPiece, type Bitfield, emptyBitfield, hasPiece } from './piece-map.ts'

/** Pieces under way to one of several at a time: the next one is asked for while one is on the line. */
const AHEAD_PIECES = 4
/** Pieces under way at first to one that is alone, one more with each it gets: others may come the next moment. */
const ALONE_PIECES_MIN = 4
/** Pieces under way to all together, at the least and at the most; it begins with more than the least. */
const TOGETHER_PIECES_MIN = 8
const TOGETHER_PIECES_FIRST = 12
const TOGETHER_PIECES_MAX = 28
/**
 * Pieces share the line they leave by: the more are under way, the later the first of them is there and can be passed
 * on. While one takes less than this there may be more of them, and fewer when it takes longer.
 */
const PIECE_MS = 4_000
/** A piece is late after so many times of what pieces take here; it counts no more, for who gets it stands still. */
const LATE_TIMES = 4
const LATE_MS_MIN = 1_000
const LATE_MS_MAX = 10_000
/** How much the newest piece counts in what pieces take. */
const TOOK_WEIGHT = 1 / 8
/** So often {@link Revealing.lookAgain} is to be called while anybody waits. */
export const LOOK_AGAIN_MS = LATE_MS_MIN / 2
/** Pieces under way once every piece is out: the last first copies must not wait behind second ones. */
const UNDER_WAY_AGAIN_PIECES = 8
/** A piece shown next is drawn from so many, so that two holders of a blob do not go through it in step. */
const DRAWN_FROM_PIECES = 8

/** A piece that may be told of to one peer. */
export interface Shown<P> {
  readonly to: P
  readonly piece: number
}

interface Peer {
  /** What it says it has. */
  readonly has: Bitfield
  /** Pieces shown to it and not there yet, and when each was. */
  readonly underWay: Map<number, number>
}

/**
 * What a holder of a whole blob tells of it to those that lack it: a few pieces at a time that none of them has, each
 * to one of them, in turns. So every piece leaves the holder about once, nearly in order, and they give to each other
 * what they got. Once every piece is out it helps with those that the fewest have. This is super-seeding (BEP 16) among
 * members, who need not be made to pass on what they have: the next piece goes to whoever got its last one. `P` is a
 * connection.
 */
export class Revealing<P> {
  readonly #pieceCount: number
  readonly #aloneAhead: number
  readonly #random: Random
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #peers = new Map<P, Peer>()
  /** How many have each piece. */
  readonly #here: Uint16Array
  /** To how many each piece is under way. */
  readonly #coming: Uint16Array
  /** Whose turn it is. */
  readonly #line: P[] = []
  #together = TOGETHER_PIECES_FIRST
  #tookMs = LATE_MS_MAX / LATE_TIMES
  #aloneNow = ALONE_PIECES_MIN
  /** Every piece before this one is out. */
  #next = 0

  /** @param aloneAhead pieces under way to one that is the only one: a long line has to be filled */
  constructor(pieceCount: number, aloneAhead: number, random: Random, clock: Pick<Clock, 'monotonic'>) {
    this.#pieceCount = pieceCount
    this.#aloneAhead = Math.max(ALONE_PIECES_MIN, aloneAhead)
    this.#random = random
    this.#clock = clock
    this.#here = new Uint16Array(pieceCount)
    this.#coming = new Uint16Array(pieceCount)
  }

  /** @param pieces what it has already */
  joined(peer: P, pieces: Iterable<number>): readonly Shown<P>[] {
    this.#aloneNow = ALONE_PIECES_MIN
    if (this.#peers.size === 1) for (const { underWay } of this.#peers.values()) this.#shareOut(underWay)
    const has = emptyBitfield(this.#pieceCount)
    for (const piece of pieces) {
      addPiece(has, piece)
      add(this.#here, piece, 1)
    }
    this.#peers.set(peer, { has, underWay: new Map() })
    this.#line.push(peer)
    return this.#show()
  }

  /** It says that it has got this piece, from whomever. */
  got(peer: P, piece: number): readonly Shown<P>[] {
    const of = this.#peers.get(peer)
    if (!of || hasPiece(of.has, piece)) return []
    addPiece(of.has, piece)
    add(this.#here, piece, 1)
    const shownMs = of.underWay.get(piece)
    if (shownMs === undefined) return []
    this.#callOff(of.underWay, piece)
    this.#learn(this.#clock.monotonic() - shownMs)
    if (!this.#line.includes(peer)) this.#line.push(peer)
    return this.#show()
  }

  left(peer: P): readonly Shown<P>[] {
    const of = this.#peers.get(peer)
    if (!of) return []
    this.#peers.delete(peer)
    for (const piece of of.underWay.keys()) this.#callOff(of.underWay, piece)
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if (!hasPiece(of.has, piece)) continue
      add(this.#here, piece, -1)
      if (this.#isIn(piece)) this.#next = Math.min(this.#next, piece)
    }
    // Those that were shown enough among so many are shown more among fewer.
    for (const one of this.#peers.keys()) if (!this.#line.includes(one)) this.#line.push(one)
    return this.#show()
  }

  /** Somebody would be shown more, if it were not for what is under way to others. */
  get waits(): boolean {
    return this.#line.length > 0
  }

  /** Time has passed. */
  lookAgain(): readonly Shown<P>[] {
    return this.#show()
  }

  #learn(tookMs: number): void {
    if (this.#peers.size === 1) {
      this.#aloneNow = Math.min(this.#aloneAhead, this.#aloneNow + 1)
      return
    }
    this.#tookMs += (tookMs - this.#tookMs) * TOOK_WEIGHT
    const step = tookMs < PIECE_MS ? 1 : -1
    this.#together = Math.min(TOGETHER_PIECES_MAX, Math.max(TOGETHER_PIECES_MIN, this.#together + step))
  }

  /** What was shown to one that was alone, and is most likely not asked for yet, is open to others again. */
  #shareOut(underWay: Map<number, number>): void {
    for (const piece of [...underWay.keys()].sort((a, b) => a - b).slice(ALONE_PIECES_MIN)) {
      this.#callOff(underWay, piece)
    }
  }

  #callOff(underWay: Map<number, number>, piece: number): void {
    underWay.delete(piece)
    add(this.#coming, piece, -1)
    if (this.#isIn(piece)) this.#next = Math.min(this.#next, piece)
  }

  /** Nobody has it, and it is under way to nobody. */
  #isIn(piece: number): boolean {
    return this.#here[piece] === 0 && this.#coming[piece] === 0
  }

  /** Somebody has every piece, or gets it now. */
  get #allOut(): boolean {
    while (this.#next < this.#pieceCount && !this.#isIn(this.#next)) this.#next++
    return this.#next >= this.#pieceCount
  }

  #show(): Shown<P>[] {
    const shown: Shown<P>[] = []
    const now = this.#clock.monotonic()
    const lateSince = now - Math.min(LATE_MS_MAX, Math.max(LATE_MS_MIN, LATE_TIMES * this.#tookMs))
    let room = this.#room(lateSince)
    for (let waiting = this.#line.length; waiting > 0 && room > 0; waiting--) {
      const to = this.#line.shift() as P
      const of = this.#peers.get(to)
      if (!of || of.underWay.size >= this.#ahead || isLate(of, lateSince)) continue
      const piece = this.#choose(of)
      if (piece < 0) continue
      of.underWay.set(piece, now)
      add(this.#coming, piece, 1)
      room--
      shown.push({ to, piece })
      if (of.underWay.size >= this.#ahead) continue
      this.#line.push(to)
      waiting++
    }
    return shown
  }

  /** How many more pieces may be under way. */
  #room(lateSince: number): number {
    let underWay = 0
    for (const peer of this.#peers.values()) {
      for (const shownMs of peer.underWay.values()) if (shownMs > lateSince) underWay++
    }
    if (this.#peers.size === 1) return this.#aloneNow - underWay
    return (this.#allOut ? Math.min(this.#together, UNDER_WAY_AGAIN_PIECES) : this.#together) - underWay
  }

  /** Pieces under way to one. */
  get #ahead(): number {
    const { size } = this.#peers
    if (size === 1) return this.#aloneNow
    if (this.#allOut) return Math.max(1, Math.floor(UNDER_WAY_AGAIN_PIECES / size))
    return Math.max(AHEAD_PIECES, Math.floor(this.#together / size))
  }

  /** @returns -1 where the peer has or gets everything */
  #choose(of: Peer): number {
    if (!this.#allOut) return this.#peers.size === 1 ? this.#next : this.#draw()
    return this.#rarest(of)
  }

  #draw(): number {
    let left = this.#random.integer(DRAWN_FROM_PIECES)
    let drawn = this.#next
    for (let piece = this.#next + 1; left > 0 && piece < this.#pieceCount; piece++) {
      if (!this.#isIn(piece)) continue
      drawn = piece
      left--
    }
    return drawn
  }

  /** What the fewest have or get; what nobody has yet only when there is nothing else, for it is on its way. */
  #rarest({ has, underWay }: Peer): number {
    let best = -1
    let least = Number.POSITIVE_INFINITY
    const offset = this.#random.integer(this.#pieceCount)
    for (let step = 0; step < this.#pieceCount; step++) {
      const piece = (offset + step) % this.#pieceCount
      if (hasPiece(has, piece) || underWay.has(piece)) continue
      const here = this.#here[piece] ?? 0
      const many = here + (this.#coming[piece] ?? 0) + (here === 0 ? this.#peers.size : 0)
      if (many >= least) continue
      least = many
      best = piece
    }
    return best
  }
}

function add(counts: Uint16Array, piece: number, by: 1 | -1): void {
  counts[piece] = (counts[piece] ?? 0) + by
}

/** Something that was shown to it long ago has not arrived; it is shown more when that is there. */
function isLate({ underWay }: Peer, lateSince: number): boolean {
  for (const shownMs of underWay.values()) if (shownMs <= lateSince) return true
  return false
}
