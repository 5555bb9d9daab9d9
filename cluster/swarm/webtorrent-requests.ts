import type { Duplex } from 'node:stream'
import type { Torrent, Wire } from 'webtorrent'
import type { Random } from '../../src/runtime/random.ts'
import type { NodeId } from '../network/network.ts'
import type { SessionInit } from './engine.ts'
import { WRITES_WAITING_BYTES_MAX } from './limits.ts'
import { choosePiece, rankAmong, type Share } from './picker.ts'
import type { PieceStore } from './piece-store.ts'
import { hasFreeBlock, nudge, requestBlock, takeOverChoice } from './webtorrent-private.ts'

const BLOCK_BYTES = 16 * 1024
/** A pipeline is filled again at this share of its length: requests go out in batches, not one by one. */
const PIPELINE_LOW_SHARE = 3 / 4
/**
 * After so many nudges (half a second each) in which nothing was asked of a seeder, and nothing of what only it had
 * came to any fellow, one more may ask for each piece: its owner lets the seeder idle.
 */
const PATIENCE_NUDGES = 2
/**
 * What a reader waits for is on its way over a fellow, behind what was asked of that one before. When it has stood
 * still for so many nudges, and so many other pieces have come meanwhile or none at all, one more asks the seeder.
 */
const FRONT_PATIENCE_NUDGES = 6
const FRONT_PATIENCE_PIECES = 32

/** One connection to one member in one torrent. */
export interface Link {
  readonly id: string
  readonly member: NodeId
  readonly dialler: NodeId
  readonly socket: Duplex
  readonly wire: Wire
  /** Pieces the other end has. */
  has: number
  /** Nudges in a row that found nothing asked of it. */
  idle: number
  /** There was nothing to ask of it. webtorrent looks after every block, and a look goes through all pieces. */
  dry: boolean
}

export interface RequestsComponents {
  readonly self: NodeId
  readonly random: Random
  readonly torrent: Torrent
  readonly pieceCount: number
  readonly store: PieceStore
  /** The session's own: it alone changes them. */
  readonly links: ReadonlyMap<Wire, Link>
  /** The first piece a reader lacks. */
  readonly front: SessionInit['front']
  readonly asks: SessionInit['asks']
  readonly asksToo: SessionInit['asksToo']
}

/** What one torrent asks of whom. */
export class Requests {
  readonly #components: RequestsComponents
  readonly #begun = new Set<number>()
  /** Pieces that failed: whole from one member only, so that the next failure has a name. */
  readonly #single = new Map<number, Link | undefined>()
  #firstMissing = 0
  #front: number | undefined
  /** Nudges since the front moved, and since anything came. */
  #frontNudges = 0
  #quietNudges = 0
  /** Pieces verified, since the front moved and since the last nudge. */
  #sinceFront = 0
  #sinceNudge = 0
  /** Pieces that came to a fellow from a seeder since the last nudge. */
  #spread = 0
  /** No piece before it is missing that no fellow has. */
  #firstLonely = 0
  /** Some piece is missing that no fellow has: as long as that is so, seeders are shared out. */
  #isSharing = true
  readonly #ranks = new Map<Link, Share['rank']>()

  constructor(components: RequestsComponents) {
    this.#components = components
    takeOverChoice(components.torrent, (wire) => this.#choose(wire))
  }

  /** Time goes by: what stands still is asked of others. */
  nudge(): void {
    const { front, links, torrent } = this.#components
    const now = front()
    if (now !== this.#front) this.#sinceFront = 0
    this.#frontNudges = now === this.#front ? this.#frontNudges + 1 : 0
    this.#front = now
    this.#quietNudges = this.#sinceNudge === 0 ? this.#quietNudges + 1 : 0
    for (const link of links.values()) {
      if (link.wire.requests.length === 0) link.idle += this.#spread > 0 ? 0 : 1
      else if (link.idle < PATIENCE_NUDGES) link.idle = 0
    }
    this.#sinceNudge = 0
    this.#spread = 0
    this.#isSharing = this.#hasLonelyPiece()
    this.look()
    nudge(torrent)
  }

  /** What is open to whom has changed. */
  look(): void {
    this.#ranks.clear()
    for (const link of this.#components.links.values()) link.dry = false
  }

  /** A connection was added: the shares are others now. */
  linked(): void {
    for (const link of this.#components.links.values()) link.idle = 0
    this.look()
  }

  /** A fellow has got a piece. */
  fellowHas(link: Link, piece: number): void {
    for (const other of this.#components.links.values()) {
      if (other !== link && this.#isFellow(other) && other.wire.peerPieces.get(piece)) return
    }
    this.#spread++
  }

  unlinked(link: Link): void {
    this.look()
    this.#firstLonely = 0
    for (const [piece, owner] of this.#single) if (owner === link) this.#single.set(piece, undefined)
  }

  verified(piece: number): void {
    this.#sinceFront++
    this.#sinceNudge++
    this.#begun.delete(piece)
    this.#single.delete(piece)
  }

  failed(piece: number): void {
    this.#begun.delete(piece)
    this.#single.set(piece, undefined)
    this.look()
  }

  #choose(wire: Wire): void {
    const { links, store } = this.#components
    const link = links.get(wire)
    if (!link || link.dry || store.waiting > WRITES_WAITING_BYTES_MAX) return
    const high = pipelineOf(wire)
    if (wire.requests.length >= high * PIPELINE_LOW_SHARE) return
    if (!this.#components.asks(link.member)) return
    if (this.#fill(link, high)) return
    this.#takeFromSlower(link, high)
    link.dry = true
  }

  /** @returns whether the pipeline is full */
  #fill(link: Link, high: number): boolean {
    const { torrent, random } = this.#components
    const { wire } = link
    while (torrent.bitfield.get(this.#firstMissing)) this.#firstMissing++
    const refused = new Set<number>()
    const choice = {
      pieceCount: this.#components.pieceCount,
      front: this.#components.front(),
      firstMissing: this.#firstMissing,
      begun: this.#begun,
      shared: this.#fellows().length > 0,
      share: this.#shareOf(link),
      isOpen: (piece: number) => !refused.has(piece) && this.#isOpen(piece, link),
      holders: (piece: number) => this.#holders(piece),
    }
    while (wire.requests.length < high) {
      const piece = choosePiece(choice, random)
      if (piece < 0) return false
      const before = wire.requests.length
      while (wire.requests.length < high && requestBlock(torrent, wire, piece, false));
      if (wire.requests.length === before) {
        refused.add(piece)
        continue
      }
      this.#begun.add(piece)
      if (this.#single.has(piece)) this.#single.set(piece, link)
    }
    return true
  }

  /** Nothing is left to ask for: what hangs on a much slower connection is asked for here. */
  #takeFromSlower({ wire }: Link, high: number): void {
    const { torrent } = this.#components
    for (const piece of this.#begun) {
      if (this.#single.has(piece) || !wire.peerPieces.get(piece) || hasFreeBlock(torrent, piece)) continue
      while (wire.requests.length < high && requestBlock(torrent, wire, piece, true));
    }
  }

  #isOpen(piece: number, link: Link): boolean {
    if (!hasFreeBlock(this.#components.torrent, piece) || !link.wire.peerPieces.get(piece)) return false
    const owner = this.#single.get(piece)
    return owner === undefined || owner === link
  }

  /** Connected members that lack pieces, too. */
  #fellows(): Link[] {
    return [...this.#components.links.values()].filter((link) => this.#isFellow(link))
  }

  #isFellow(link: Link): boolean {
    return link.has < this.#components.pieceCount
  }

  /** All leechers of a mesh come to the same shares, so each asks a seeder for other pieces. */
  #shareOf(link: Link): Share | undefined {
    if (!this.#isSharing || this.#isFellow(link)) return undefined
    let rank = this.#ranks.get(link)
    if (!rank) {
      const fellows = this.#fellows().filter(({ member }) => this.#components.asksToo(member, link.member))
      rank = rankAmong(
        this.#components.self,
        fellows.map(({ member }) => member),
      )
      this.#ranks.set(link, rank)
    }
    return { rank, spare: Math.floor(link.idle / PATIENCE_NUDGES), overdue: this.#overdue() }
  }

  /** How many more than one ask a seeder for what a reader waits for. */
  #overdue(): number {
    const nudges = Math.floor(this.#frontNudges / FRONT_PATIENCE_NUDGES)
    if (this.#quietNudges >= FRONT_PATIENCE_NUDGES) return nudges
    return Math.min(nudges, Math.floor(this.#sinceFront / FRONT_PATIENCE_PIECES))
  }

  #hasLonelyPiece(): boolean {
    const { pieceCount, torrent } = this.#components
    if (!torrent.ready) return true
    const fellows = this.#fellows()
    const isLonely = (piece: number) =>
      !torrent.bitfield.get(piece) && fellows.every(({ wire }) => !wire.peerPieces.get(piece))
    while (this.#firstLonely < pieceCount && !isLonely(this.#firstLonely)) this.#firstLonely++
    return this.#firstLonely < pieceCount
  }

  #holders(piece: number): number {
    let holders = 0
    for (const { wire } of this.#components.links.values()) if (wire.peerPieces.get(piece)) holders++
    return holders
  }
}

/** Blocks to have asked for: what comes in a second, as webtorrent has it, and no more than the other end takes. */
function pipelineOf(wire: Wire): number {
  const blocks = 2 + Math.ceil(wire.downloadSpeed() / BLOCK_BYTES)
  const { reqq } = wire.peerExtendedHandshake
  return typeof reqq === 'number' && reqq > 0 ? Math.min(blocks, reqq) : blocks
}
