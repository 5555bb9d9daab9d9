import type { Duplex } from 'node:stream'
import type { Torrent, Wire } from 'webtorrent'
import type { Random } from '../../src/runtime/random.ts'
import type { NodeId } from '../network/network.ts'
import type { SessionInit, Whom } from './engine.ts'
import { WRITES_WAITING_BYTES_MAX } from './limits.ts'
import { choosePiece, type Share } from './picker.ts'
import { BLOCK_BYTES } from './piece-buffer.ts'
import { asksToo } from './plan.ts'
import type { Pieces } from './webtorrent-pieces.ts'
import { hasFreeBlock, nudge, requestBlock, takeOverChoice } from './webtorrent-private.ts'

/** Before a speed is known: two pieces of the smallest size, so that a reader's first ones need one round trip. */
const PIPELINE_BLOCKS_FIRST = 32
/** To one that is slow because many ask it: what waits in its queue is not asked of others. */
const PIPELINE_BLOCKS_MIN = 6
/** A pipeline is filled again at this share of its length: requests go out in batches, not one by one. */
const PIPELINE_LOW_SHARE = 3 / 4
/** After so many nudges (half a second each) in vain a rule that saves the seeder gives way. */
const PATIENCE_NUDGES = 2

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
  /** What the room thinks of the member, asked anew when something may have changed: a choice is made many times a block. */
  thought?: Whom | undefined
  /** There was nothing to ask of it. webtorrent looks after every block, and a look goes through all pieces. */
  dry: boolean
}

export interface RequestsComponents {
  readonly self: NodeId
  readonly random: Random
  readonly torrent: Torrent
  readonly pieceCount: number
  readonly pieces: Pieces
  /** The session's own: it alone changes them. */
  readonly links: ReadonlyMap<Wire, Link>
  /** The first piece a reader lacks. */
  readonly front: SessionInit['front']
  readonly whom: SessionInit['whom']
}

/** What one torrent asks of whom. */
export class Requests {
  readonly #components: RequestsComponents
  readonly #begun = new Set<number>()
  /** Pieces that failed: whole from one member only, so that the next failure has a name. */
  readonly #single = new Map<number, Link | undefined>()
  #firstMissing = 0
  #frontSeen: number | undefined
  #frontNudges = 0

  constructor(components: RequestsComponents) {
    this.#components = components
    takeOverChoice(components.torrent, (wire) => this.#choose(wire))
  }

  /** Time goes by: what stands still is asked of others. */
  nudge(): void {
    const { front, links, torrent } = this.#components
    const now = front()
    this.#frontNudges = now === this.#frontSeen ? this.#frontNudges + 1 : 0
    this.#frontSeen = now
    for (const link of links.values()) {
      if (link.wire.requests.length === 0) link.idle++
      else if (link.idle < PATIENCE_NUDGES) link.idle = 0
    }
    this.look()
    nudge(torrent)
  }

  /** What is open to whom has changed. */
  look(): void {
    for (const link of this.#components.links.values()) {
      link.dry = false
      link.thought = undefined
    }
  }

  /** A connection was added: the shares are others now. */
  linked(): void {
    for (const link of this.#components.links.values()) link.idle = 0
    this.look()
  }

  unlinked(link: Link): void {
    this.look()
    for (const [piece, owner] of this.#single) if (owner === link) this.#single.set(piece, undefined)
  }

  verified(piece: number): void {
    this.#begun.delete(piece)
    this.#single.delete(piece)
  }

  failed(piece: number): void {
    this.#begun.delete(piece)
    this.#single.set(piece, undefined)
    this.look()
  }

  #choose(wire: Wire): void {
    const { links, pieces } = this.#components
    const link = links.get(wire)
    if (!link || link.dry || pieces.waiting > WRITES_WAITING_BYTES_MAX) return
    const high = pipelineOf(wire)
    if (wire.requests.length >= high * PIPELINE_LOW_SHARE) return
    if (!this.#whom(link).asks) return
    if (this.#fill(link, high)) return
    this.#takeFromSlower(link, high)
    link.dry = true
  }

  /** @returns whether the pipeline is full */
  #fill(link: Link, high: number): boolean {
    const { torrent, random, pieces } = this.#components
    const { wire } = link
    while (torrent.bitfield.get(this.#firstMissing)) this.#firstMissing++
    const refused = new Set<number>()
    const choice = {
      pieceCount: this.#components.pieceCount,
      front: this.#components.front(),
      overdue: this.#frontNudges >= PATIENCE_NUDGES,
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
      pieces.begin(piece)
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

  #whom(link: Link): Whom {
    link.thought ??= this.#components.whom(link.member)
    return link.thought
  }

  /** Connected members that lack pieces, too. */
  #fellows(): Link[] {
    return [...this.#components.links.values()].filter((link) => this.#isFellow(link))
  }

  #isFellow(link: Link): boolean {
    return link.has < this.#components.pieceCount
  }

  /**
   * All leechers of a mesh come to the same order, so each asks a seeder for other pieces. Where a fellow
   * does not do its part the seeder idles, and then the share is everything.
   */
  #shareOf(link: Link): Share | undefined {
    if (this.#isFellow(link) || link.idle >= PATIENCE_NUDGES) return undefined
    const holder = this.#whom(link)
    const fellows = this.#fellows().filter((fellow) => asksToo(this.#whom(fellow), holder))
    if (fellows.length === 0) return undefined
    const before = fellows.filter(({ member }) => member < this.#components.self)
    return { rank: before.length, of: fellows.length + 1 }
  }

  #holders(piece: number): number {
    let holders = 0
    for (const { wire } of this.#components.links.values()) if (wire.peerPieces.get(piece)) holders++
    return holders
  }
}

/** Blocks to have asked for: what comes in a second, as webtorrent has it, and no more than the other end takes. */
function pipelineOf(wire: Wire): number {
  const isKnown = wire.downloaded >= PIPELINE_BLOCKS_FIRST * BLOCK_BYTES
  const least = isKnown ? PIPELINE_BLOCKS_MIN : PIPELINE_BLOCKS_FIRST
  const blocks = Math.max(least, 2 + Math.ceil(wire.downloadSpeed() / BLOCK_BYTES))
  const { reqq } = wire.peerExtendedHandshake
  return typeof reqq === 'number' && reqq > 0 ? Math.min(blocks, reqq) : blocks
}
