import { createHash } from 'node:crypto'
import type { Random } from '../../src/runtime/random.ts'

/** Pieces of the blob right before the reader: they go first, whatever the swarm would like. */
const FRONT_PIECES = 2
/** Candidates looked at per choice: measured as good as looking at all, and no stall. */
const PROBES_MAX = 24
/** With fewer pieces than this to choose from, peers ask the seeder for the same ones. */
const WINDOW_PIECES_MIN = 64
/** The larger part of the blob is left for later, so that a reader does not wait for the end. */
const WINDOW_SHARE = 1 / 4

/** What the choice of the next piece for one connection depends on. */
export interface Choice {
  readonly pieceCount: number
  /** The first piece a waiting reader lacks; undefined while nobody reads. */
  readonly front: number | undefined
  /** The first piece that is missing. */
  readonly firstMissing: number
  /** Pieces begun and not complete: finishing them bounds the memory they take. */
  readonly begun: Iterable<number>
  /** Somebody else lacks pieces too, so it pays to have others than they. */
  readonly shared: boolean
  /**
   * What of a seeder's is this node's to ask for while there are fellow leechers: each asks for other pieces, and
   * they give them to each other. Undefined for a connection to a fellow, and where a seeder has nothing more
   * that all fellows lack: then it is asked as a fellow is.
   */
  readonly share: Share | undefined
  /** Missing, not wholly asked for, and this connection may give it. */
  readonly isOpen: (piece: number) => boolean
  /** How many connected peers have it. */
  readonly holders: (piece: number) => number
}

export interface Share {
  /** How many fellows are to ask a seeder for the piece before this node. */
  readonly rank: (piece: number) => number
  /** Pieces of up to this rank are asked for as well when nothing else is left: their owners let the seeder idle. */
  readonly spare: number
  /** The same for what a reader waits for: it stands still. */
  readonly overdue: number
}

/**
 * Who of those who lack pieces asks a seeder for which, without a word: all that know of each other come to the
 * same. By rendezvous hashing, so that one who comes or goes changes a share by its own part, and what was asked
 * for before is not asked for again by somebody else.
 */
export function rankAmong(self: string, fellows: readonly string[]): Share['rank'] {
  const own = seedOf(self)
  const others = fellows.map(seedOf)
  return (piece) => {
    const weight = mixed(own, piece)
    let before = 0
    for (const seed of others) if (mixed(seed, piece) > weight) before++
    return before
  }
}

function seedOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32LE()
}

/** Two 32-bit numbers as one that looks like chance: the finalizer of MurmurHash3. */
function mixed(seed: number, piece: number): number {
  let bits = (seed ^ Math.imul(piece + 1, 0x9e3779b1)) >>> 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/**
 * The piece to ask this connection for, or -1. In order: what a reader waits for; what is begun; then of
 * seeders the next of one's share, and when that is empty the last of what others leave undone, or with no
 * fellows the next at all; of fellows the rarest of a bag of random ones from a window after the front, and of
 * all when the window has none.
 */
export function choosePiece(choice: Choice, random: Random): number {
  const { pieceCount, front, firstMissing, share, isOpen } = choice
  const upTo = (rank: number) =>
    share ? (piece: number) => isOpen(piece) && share.rank(piece) <= rank : isOpen
  const may = upTo(0)
  if (front !== undefined) {
    const mayNow = upTo(share?.overdue ?? 0)
    for (let piece = front; piece < Math.min(front + FRONT_PIECES, pieceCount); piece++) {
      if (mayNow(piece)) return piece
    }
  }
  for (const piece of choice.begun) if (may(piece)) return piece
  const start = front ?? firstMissing
  if (share) {
    const own = firstOpen(choice, start, may)
    return own < 0 && share.spare > 0 ? lastOpen(choice, upTo(share.spare)) : own
  }
  if (!choice.shared) return firstOpen(choice, start, may)
  const window = Math.max(WINDOW_PIECES_MIN, Math.ceil(pieceCount * WINDOW_SHARE))
  const end = front === undefined ? pieceCount : Math.min(pieceCount, start + window)
  const found = rarestOfBag(choice, start, end, random)
  return found >= 0
    ? found
    : firstOpen(choice, start + random.integer(Math.max(1, pieceCount - start)), isOpen)
}

/** Looks from `start` to the end, and then from the first missing piece up to `start`. */
function firstOpen(
  { pieceCount, firstMissing }: Choice,
  start: number,
  may: (piece: number) => boolean,
): number {
  for (let piece = start; piece < pieceCount; piece++) if (may(piece)) return piece
  for (let piece = firstMissing; piece < start; piece++) if (may(piece)) return piece
  return -1
}

/** From behind: whose share it is comes from the front, and they meet once. */
function lastOpen({ pieceCount, firstMissing }: Choice, may: (piece: number) => boolean): number {
  for (let piece = pieceCount - 1; piece >= firstMissing; piece--) if (may(piece)) return piece
  return -1
}

function rarestOfBag(choice: Choice, start: number, end: number, random: Random): number {
  const length = end - start
  if (length <= 0) return -1
  let best = -1
  let fewest = Number.POSITIVE_INFINITY
  const offset = random.integer(length)
  // From a random place on, wrapping round: each look is another piece, and a full round sees them all.
  for (let step = 0, probes = 0; step < length && probes < PROBES_MAX; step++) {
    const piece = start + ((offset + step) % length)
    if (!choice.isOpen(piece)) continue
    probes++
    const holders = choice.holders(piece)
    if (holders < fewest) {
      fewest = holders
      best = piece
    }
  }
  return best
}
