import type { Torrent as ActiveTorrent } from 'webtorrent'
import type { PieceBytes } from './engine.ts'
import { type BlockInlet, PieceBuffer } from './piece-buffer.ts'
import type { PiecePool } from './piece-pool.ts'
import { isPiece, type Torrent } from './torrent.ts'
import { failTorrent, markHave } from './webtorrent-private.ts'

export interface PiecesComponents {
  readonly torrent: Torrent
  readonly active: ActiveTorrent
  readonly bytes: PieceBytes
  readonly pool: PiecePool
  /** It did not agree with its hash; it is open again. */
  readonly failed: (piece: number) => void
}

/** The pieces of one torrent that are under way: from the first block to the disk. */
export class Pieces {
  readonly #parts: PiecesComponents
  /** Bytes of verified pieces that the disk has not taken yet. */
  waiting = 0

  constructor(parts: PiecesComponents) {
    this.#parts = parts
  }

  /** It is going to be asked for: its blocks get a place. */
  begin(piece: number): void {
    const { torrent, active, pool } = this.#parts
    const stock = active.pieces[piece]
    if (!stock || stock instanceof PieceBuffer) return
    const length = Math.min(torrent.pieceLength, torrent.size - piece * torrent.pieceLength)
    active.pieces[piece] = new PieceBuffer(pool.take(length), (bytes) => {
      // Whoever sent the last block is noted before the piece is judged.
      queueMicrotask(() => void this.#settle(piece, bytes))
    })
  }

  inlet(piece: number, offset: number, length: number): BlockInlet | undefined {
    const buffer = this.#parts.active.pieces[piece]
    return buffer instanceof PieceBuffer ? buffer.inlet(offset, length) : undefined
  }

  async #settle(piece: number, bytes: Uint8Array): Promise<void> {
    const { torrent, active, pool, failed } = this.#parts
    if (active.destroyed) return
    if (!isPiece(torrent, piece, bytes)) {
      pool.give(bytes)
      active.pieces[piece] = unbegun(bytes.length)
      failed(piece)
      active._update()
      return
    }
    this.waiting += bytes.length
    try {
      await this.#parts.bytes.write(bytes, piece * torrent.pieceLength)
    } catch (error) {
      failTorrent(active, error)
      return
    } finally {
      this.waiting -= bytes.length
      pool.give(bytes)
    }
    if (!active.destroyed) markHave(active, piece)
  }
}

/** A piece nobody was asked for yet, as the choice sees it. */
function unbegun(length: number) {
  return { length, _reservations: 0, _chunks: 1, _cancellations: null, _flushed: false }
}
