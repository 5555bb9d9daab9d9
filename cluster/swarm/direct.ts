import { Fault, isFault } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { LinkRules } from '../links/links.ts'
import type { NodeId } from '../network/network.ts'
import type { Assembly } from './assembly.ts'
import type { Distrust } from './distrust.ts'
import type { Holder, Holders } from './holders.ts'
import type { Line } from './line.ts'
import { isPiece, type Torrent } from './torrent.ts'
import type { Transfers } from './transfers.ts'

export interface DirectComponents {
  readonly transfers: Transfers
  readonly links: LinkRules
  readonly distrust: Distrust
  readonly logger: Logger
}

/** Fills the gaps of one blob over streams, from one holder after the other. */
export class Direct {
  readonly #components: DirectComponents
  readonly #digest: Digest
  readonly #assembly: Assembly
  readonly #holders: Holders
  readonly #from: Set<NodeId>
  /** Somebody's bytes did not agree with the hashes. */
  #disputed = false
  /** The other end of a link may know first that it is closed. */
  #refusal: Fault | undefined
  #storageError: { readonly error: unknown } | undefined

  /** @param from is filled with the members that gave pieces */
  constructor(
    components: DirectComponents,
    digest: Digest,
    assembly: Assembly,
    holders: Holders,
    from: Set<NodeId>,
  ) {
    this.#components = components
    this.#digest = digest
    this.#assembly = assembly
    this.#holders = holders
    this.#from = from
  }

  /**
   * Returns when the blob is complete.
   * @param torrent its hashes, where they are known, tell a wrong piece at once; who holds to others is not asked
   * @throws Fault BLOB_FETCH_FAILED when no member is left that has the blob, LINK_CLOSED when those left are beyond
   * closed links
   */
  async run(torrent: Torrent | undefined, signal: AbortSignal): Promise<void> {
    const tried = new Set<NodeId>()
    let askedAgain = false
    while (!this.#assembly.complete) {
      signal.throwIfAborted()
      const holder = this.#holders.whole().find(({ member, size, infoHash = torrent?.infoHash }) => {
        const agrees = size === this.#assembly.size && (!torrent || infoHash === torrent.infoHash)
        return agrees && !tried.has(member)
      })
      if (holder) {
        tried.add(holder.member)
        const before = this.#assembly.count
        await this.#fillFrom(holder, torrent, signal)
        if (this.#storageError) throw this.#storageError.error
        if (this.#assembly.count > before) askedAgain = false
      } else if (askedAgain) {
        const refusal = this.#holders.refusal() ?? this.#refusal
        if (refusal) throw refusal
        throw new Fault('BLOB_FETCH_FAILED', 'no reachable member is left that has the blob', {
          digest: this.#digest,
          exhausted: true,
          disputed: this.#disputed,
        })
      } else {
        askedAgain = true
        tried.clear()
        this.#holders.askAll()
        await this.#holders.settled()
      }
    }
  }

  async #fillFrom(holder: Holder, torrent: Torrent | undefined, signal: AbortSignal): Promise<void> {
    const { logger } = this.#components
    const { member } = holder
    let line: Line | undefined
    try {
      line = await this.#holders.line(member, signal)
      for (let gap = this.#assembly.firstGap(); gap; gap = this.#assembly.firstGap()) {
        const first = gap.first * this.#assembly.pieceLength
        const last = Math.min((gap.last + 1) * this.#assembly.pieceLength, this.#assembly.size) - 1
        const frames = this.#counted(member, line.read(this.#digest, { first, last }, signal))
        await this.#fillGap(holder, gap.first, frames, torrent)
      }
      await line.close()
    } catch (error) {
      line?.abort(error as Error)
      signal.throwIfAborted()
      if (isFault(error, 'LINK_CLOSED')) this.#refusal = error
      logger.debug({ member, digest: this.#digest, err: error }, 'swarm: a direct transfer broke off')
    }
  }

  /** What came over a link between sites, as it comes. */
  async *#counted(member: NodeId, frames: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const pace = this.#components.links.pace(member, 'pull')
    for await (const frame of frames) {
      pace?.received(frame.length)
      yield frame
    }
  }

  async #fillGap(
    holder: Holder,
    firstPiece: number,
    frames: AsyncIterable<Uint8Array>,
    torrent: Torrent | undefined,
  ): Promise<void> {
    const buffer = Buffer.allocUnsafe(this.#assembly.pieceLength)
    let piece = firstPiece
    let filled = 0
    for await (const frame of frames) {
      for (let used = 0; used < frame.length; ) {
        const wanted = this.#assembly.bytesOf(piece) - filled
        const part = frame.subarray(used, used + wanted)
        buffer.set(part, filled)
        filled += part.length
        used += part.length
        if (part.length < wanted) continue
        await this.#keep(holder, piece, buffer.subarray(0, filled), torrent)
        piece++
        filled = 0
      }
    }
  }

  async #keep(
    { member, infoHash }: Holder,
    piece: number,
    bytes: Uint8Array,
    torrent: Torrent | undefined,
  ): Promise<void> {
    const { transfers, distrust, logger } = this.#components
    if (torrent && !isPiece(torrent, piece, bytes)) {
      this.#disputed = true
      // Who has not told any hashes may be right, and the hashes wrong.
      if (infoHash !== undefined) {
        logger.warn({ member, digest: this.#digest }, 'swarm: a member gave wrong bytes and is passed over')
        distrust.add(this.#digest, member)
      }
      throw new Fault('PIECE_WRONG', 'a piece does not agree with its hash', { member, piece })
    }
    try {
      await this.#assembly.write(bytes, piece * this.#assembly.pieceLength)
    } catch (error) {
      this.#storageError = { error }
      throw error
    }
    this.#from.add(member)
    transfers.received('direct', bytes.length)
    this.#assembly.mark(piece)
  }
}
