import { Fault } from '../../src/errors.ts'
import type { ByteRange } from '../../src/registry/blob-store.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { LinkRules } from '../links/links.ts'
import type { Assembly } from './assembly.ts'
import { OPENING_TIMEOUT_MS } from './limits.ts'
import type { Line } from './line.ts'
import { isPiece, type Torrent } from './torrent.ts'
import type { Transfers } from './transfers.ts'
import { within } from './waiting.ts'

export interface OpeningComponents {
  readonly links: LinkRules
  readonly transfers: Transfers
  readonly logger: Logger
  readonly timers: Timers
}

/**
 * The piece a reader waits for, over the stream that was asked for the hashes: by BitTorrent over a long link its
 * first byte would be some six round trips later. What comes of it is checked like any piece.
 */
export class Opening {
  readonly #line: Line
  readonly #piece: number
  readonly #bytes: AsyncIterable<Uint8Array>

  constructor(line: Line, piece: number, bytes: AsyncIterable<Uint8Array>) {
    this.#line = line
    this.#piece = piece
    this.#bytes = bytes
  }

  /** @returns whether the piece has come; where not, it comes like all others */
  async run(
    { links, transfers, logger, timers }: OpeningComponents,
    torrent: Torrent,
    assembly: Assembly,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { member } = this.#line
    try {
      if (assembly.has(this.#piece)) throw new Fault('PIECE_HERE', 'the piece is here already')
      const pace = links.pace(member, 'pull')
      const bytes = Buffer.allocUnsafe(assembly.bytesOf(this.#piece))
      await within(timers, OPENING_TIMEOUT_MS, signal, async () => {
        let filled = 0
        for await (const frame of this.#bytes) {
          pace?.received(frame.length)
          bytes.set(frame, filled)
          filled += frame.length
        }
      })
      if (!isPiece(torrent, this.#piece, bytes))
        throw new Fault('PIECE_WRONG', 'a piece does not agree with its hash', { piece: this.#piece })
      await assembly.write(bytes, this.#piece * assembly.pieceLength)
      transfers.received('direct', bytes.length)
      assembly.mark(this.#piece)
      await this.#line.close()
      return true
    } catch (error) {
      this.#line.abort(error as Error)
      signal.throwIfAborted()
      logger.debug({ member, err: error }, 'swarm: the first piece comes like all others')
      return false
    }
  }

  /** Nobody wants it any more. */
  abort(reason: Error): void {
    this.#line.abort(reason)
  }
}

/** Where one piece lies in a blob. */
export function rangeOf(assembly: Assembly, piece: number): ByteRange {
  const first = piece * assembly.pieceLength
  return { first, last: first + assembly.bytesOf(piece) - 1 }
}
