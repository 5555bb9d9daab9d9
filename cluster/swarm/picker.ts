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
  /** The front has stood still for a while: it is taken from whoever has it. */
  readonly overdue: boolean
  /** The first piece that is missing. */
  readonly firstMissing: number
  /** Pieces begun and not complete: finishing them bounds the memory they take. */
  readonly begun: Iterable<number>
  /** Somebody else lacks pieces too, so it pays to have others than they. */
  readonly shared: boolean
  /**
   * This node's share of what is asked of a seeder while there are fellow leechers: each asks for other
   * pieces, and they give them to each other. Undefined for a connection to a fellow.
   */
  readonly share: Share | undefined
  /** Missing, not wholly asked for, and this connection may give it. */
  readonly isOpen: (piece: number) => boolean
  /** How many connected peers have it. */
  readonly holders: (piece: number) => number
}

/** Every `of`th piece, the `rank`th of them. */
export interface Share {
  readonly rank: number
  readonly of: number
}

/**
 * The piece to ask this connection for, or -1. In order: what a reader waits for; what is begun; then of
 * seeders the next of one's share, or with no fellows the next at all; of fellows the rarest of a bag of
 * random ones from a window after the front, and of all when the window has none.
 */
export function choosePiece(choice: Choice, random: Random): number {
  const { pieceCount, front, firstMissing, share, isOpen } = choice
  const may = share ? (piece: number) => piece % share.of === share.rank && isOpen(piece) : isOpen
  if (front !== undefined) {
    for (let piece = front; piece < Math.min(front + FRONT_PIECES, pieceCount); piece++) {
      if (choice.overdue ? isOpen(piece) : may(piece)) return piece
    }
  }
  for (const piece of choice.begun) if (may(piece)) return piece
  const start = front ?? firstMissing
  if (share || !choice.shared) return firstOpen(choice, start, may)
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
