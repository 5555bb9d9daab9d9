import type { Duplex } from 'node:stream'
import type WebTorrent from 'webtorrent'
import type { Torrent as ActiveTorrent, Wire } from 'webtorrent'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { NodeId } from '../network/network.ts'
import type { PieceBytes, Session, SessionInit } from './engine.ts'
import { REQUESTS_OPEN_MAX, UPLOAD_SLOTS, WRITES_WAITING_BYTES_MAX } from './limits.ts'
import { choosePiece, type Share } from './picker.ts'
import { PieceStore } from './piece-store.ts'
import { metainfoOf, type Torrent } from './torrent.ts'
import {
  failedPieceOf,
  guardWire,
  hasFreeBlock,
  nudge,
  requestBlock,
  takeOverChoice,
  wireOf,
} from './webtorrent-private.ts'

const BLOCK_BYTES = 16 * 1024
/** A pipeline is filled again at this share of its length: requests go out in batches, not one by one. */
const PIPELINE_LOW_SHARE = 3 / 4

/** After so many nudges (half a second each) in vain a rule that saves the seeder gives way. */
const PATIENCE_NUDGES = 2

/** One connection to one member in one torrent. */
interface Link {
  readonly id: string
  readonly member: NodeId
  readonly dialler: NodeId
  readonly socket: Duplex
  readonly wire: Wire
  /** Pieces the other end has. */
  has: number
  /** Nudges in a row that found nothing asked of it. */
  idle: number
}

interface Parts {
  readonly self: NodeId
  readonly client: WebTorrent
  readonly logger: Logger
  readonly random: Random
}

/** One torrent this node takes part in. */
export class WebTorrentSession implements Session {
  readonly torrent: Torrent
  received = 0
  readonly #parts: Parts
  readonly #init: SessionInit
  readonly #ended: () => void
  readonly #store: PieceStore
  readonly #torrent: ActiveTorrent
  readonly #ready: Promise<void>
  readonly #links = new Map<Wire, Link>()
  readonly #begun = new Set<number>()
  /** Who sent blocks of pieces not yet verified. */
  readonly #sources = new Map<number, Set<NodeId>>()
  /** Pieces that failed: whole from one member only, so that the next failure has a name. */
  readonly #single = new Map<number, Link | undefined>()
  #missing: number
  #firstMissing = 0
  #count = 0
  #frontSeen: number | undefined
  #frontNudges = 0
  #stopped: Promise<void> | undefined

  constructor(parts: Parts, torrent: Torrent, bytes: PieceBytes, init: SessionInit, ended: () => void) {
    this.#parts = parts
    this.torrent = torrent
    this.#init = init
    this.#ended = ended
    this.#missing = init.complete ? 0 : torrent.pieceCount
    const store = new PieceStore(torrent, bytes)
    this.#store = store
    this.#torrent = parts.client.add(metainfoOf(torrent), {
      // webtorrent calls `new`; a constructor may give back another object.
      store: function storeOfBlob() {
        return store
      } as unknown as new () => PieceStore,
      storeCacheSlots: 0,
      skipVerify: init.complete,
      // An empty bitfield says that nothing is there yet, instead of reading and hashing it all.
      ...(!init.complete && { bitfield: new Uint8Array(Math.ceil(torrent.pieceCount / 8)) }),
      uploads: UPLOAD_SLOTS,
      alwaysChokeSeeders: false,
      announce: [],
      private: true,
      strategy: 'rarest',
    })
    takeOverChoice(this.#torrent, (wire) => this.#choose(wire))
    this.#torrent.on('verified', (index: number) => this.#onVerified(index))
    this.#torrent.on('warning', (warning: unknown) => this.#onWarning(warning))
    this.#torrent.on('error', (error: unknown) => this.#onError(error))
    this.#ready = new Promise((resolve) => {
      this.#torrent.once('ready', resolve)
      this.#torrent.once('close', resolve)
    })
  }

  members(): NodeId[] {
    return [...new Set([...this.#links.values()].map((link) => link.member))]
  }

  async attach(member: NodeId, dialler: NodeId, socket: Duplex): Promise<void> {
    await this.#ready
    if (this.#torrent.destroyed || socket.destroyed) {
      socket.destroy()
      throw new Fault('SWARM_STOPPED', 'the torrent is no longer active', { infoHash: this.torrent.infoHash })
    }
    const other = [...this.#links.values()].find((link) => link.member === member)
    if (other && !this.#isBetter(dialler, other)) {
      socket.destroy()
      return
    }
    const id = `${member}/${++this.#count}`
    this.#torrent.addPeer(Object.assign(socket, { id, connected: true as const }))
    const wire = wireOf(this.#torrent, id)
    if (!wire) throw new Fault('SWARM_STOPPED', 'the torrent took no connection', { member })
    this.#onLink({ id, member, dialler, socket, wire, has: 0, idle: 0 })
    other?.socket.destroy()
  }

  drop(member: NodeId): void {
    for (const link of this.#links.values()) if (link.member === member) link.socket.destroy()
  }

  nudge(): void {
    const front = this.#init.front()
    this.#frontNudges = front === this.#frontSeen ? this.#frontNudges + 1 : 0
    this.#frontSeen = front
    for (const link of this.#links.values()) {
      if (link.wire.requests.length === 0) link.idle++
      else if (link.idle < PATIENCE_NUDGES) link.idle = 0
    }
    nudge(this.#torrent)
  }

  stop(): Promise<void> {
    this.#stopped ??= new Promise<void>((resolve) => {
      this.#ended()
      for (const link of this.#links.values()) link.socket.destroy()
      if (this.#torrent.destroyed) resolve()
      else this.#torrent.destroy({ destroyStore: false }, () => resolve())
    })
    return this.#stopped
  }

  /** Two that dial each other at once must keep the same connection: the one of the lower id. */
  #isBetter(dialler: NodeId, other: Link): boolean {
    if (dialler === other.dialler) return true // dialled again: the older one is dead
    return dialler < other.dialler
  }

  #onLink(link: Link): void {
    const { wire, member } = link
    const { pieceCount } = this.torrent
    this.#links.set(wire, link)
    for (const other of this.#links.values()) other.idle = 0
    guardWire(wire, pieceCount, (reason) => {
      this.#parts.logger.warn({ member, reason }, 'swarm: a connection broke the rules of the wire')
    })
    wire.extendedHandshake['reqq'] = REQUESTS_OPEN_MAX
    const learn = (has: number) => {
      link.has = has
      this.#partFinished(link)
    }
    wire.on('have', () => learn(link.has + 1))
    wire.on('have-all', () => learn(pieceCount))
    wire.on('bitfield', () => {
      let has = 0
      for (let piece = 0; piece < pieceCount; piece++) if (wire.peerPieces.get(piece)) has++
      learn(has)
    })
    wire.on('download', (bytes: number) => {
      this.received += bytes
    })
    wire.on('upload', (bytes: number) => this.#init.events.sent(bytes))
    wire.on('piece', (index: number) => this.#noteSource(index, member))
    wire.on('request', () => {
      // A peer that ignores the bound it was told would fill the memory of this node.
      if (wire.peerRequests.length > REQUESTS_OPEN_MAX * 2) wire.destroy()
    })
    link.socket.once('close', () => this.#onGone(link))
    this.#init.events.joined(member)
  }

  #onGone(link: Link): void {
    this.#links.delete(link.wire)
    for (const [piece, owner] of this.#single) if (owner === link) this.#single.set(piece, undefined)
    this.#init.events.gone(link.member)
  }

  #noteSource(index: number, member: NodeId): void {
    if (this.#torrent.destroyed || this.#torrent.bitfield.get(index)) return
    const sources = this.#sources.get(index)
    if (sources) sources.add(member)
    else this.#sources.set(index, new Set([member]))
  }

  #onVerified(index: number): void {
    if (this.#init.complete) return
    this.#missing--
    this.#begun.delete(index)
    this.#single.delete(index)
    const from = this.#sources.get(index) ?? new Set<NodeId>()
    this.#sources.delete(index)
    this.#init.events.piece(index, [...from])
    if (this.#missing > 0) return
    for (const link of this.#links.values()) this.#partFinished(link)
  }

  #onWarning(warning: unknown): void {
    const index = failedPieceOf(warning)
    if (index === undefined) return
    const sources = [...(this.#sources.get(index) ?? [])]
    this.#sources.delete(index)
    this.#begun.delete(index)
    this.#single.set(index, undefined)
    const [liar] = sources
    this.#parts.logger.warn({ piece: index, from: sources }, 'swarm: a piece did not agree with its hash')
    if (liar !== undefined && sources.length === 1) {
      this.drop(liar)
      this.#init.events.lied(liar)
    }
  }

  #onError(error: unknown): void {
    this.#ended()
    for (const link of this.#links.values()) link.socket.destroy()
    this.#init.events.failed(error)
  }

  /** Two that have everything have nothing more to say to each other. */
  #partFinished(link: Link): void {
    if (this.#missing === 0 && link.has >= this.torrent.pieceCount) link.socket.destroy()
  }

  #choose(wire: Wire): void {
    const link = this.#links.get(wire)
    if (!link || this.#missing === 0 || this.#store.waiting > WRITES_WAITING_BYTES_MAX) return
    const high = pipelineOf(wire)
    if (wire.requests.length >= high * PIPELINE_LOW_SHARE) return
    if (!this.#fill(link, high)) this.#takeFromSlower(link, high)
  }

  /** @returns whether the pipeline is full */
  #fill(link: Link, high: number): boolean {
    const { wire } = link
    while (this.#torrent.bitfield.get(this.#firstMissing)) this.#firstMissing++
    const refused = new Set<number>()
    const choice = {
      pieceCount: this.torrent.pieceCount,
      front: this.#init.front(),
      firstMissing: this.#firstMissing,
      begun: this.#begun,
      overdue: this.#frontNudges >= PATIENCE_NUDGES,
      shared: this.#isShared(),
      share: this.#shareOf(link),
      isOpen: (piece: number) => !refused.has(piece) && this.#isOpen(piece, link),
      holders: (piece: number) => this.#holders(piece),
    }
    while (wire.requests.length < high) {
      const piece = choosePiece(choice, this.#parts.random)
      if (piece < 0) return false
      const before = wire.requests.length
      while (wire.requests.length < high && requestBlock(this.#torrent, wire, piece, false));
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
  #takeFromSlower(link: Link, high: number): void {
    for (const piece of this.#begun) {
      if (this.#single.has(piece) || !link.wire.peerPieces.get(piece)) continue
      if (hasFreeBlock(this.#torrent, piece)) continue
      while (link.wire.requests.length < high && requestBlock(this.#torrent, link.wire, piece, true));
    }
  }

  #isOpen(piece: number, link: Link): boolean {
    if (!hasFreeBlock(this.#torrent, piece) || !link.wire.peerPieces.get(piece)) return false
    const owner = this.#single.get(piece)
    return owner === undefined || owner === link
  }

  #isShared(): boolean {
    for (const link of this.#links.values()) if (link.has < this.torrent.pieceCount) return true
    return false
  }

  /**
   * All leechers of a mesh come to the same order, so each asks a seeder for other pieces. Where a fellow
   * does not do its part the seeder idles, and then the share is everything.
   */
  #shareOf(link: Link): Share | undefined {
    if (link.has < this.torrent.pieceCount || link.idle >= PATIENCE_NUDGES) return undefined
    const { self } = this.#parts
    const fellows = [...this.#links.values()].filter((other) => other.has < this.torrent.pieceCount)
    if (fellows.length === 0) return undefined
    const before = fellows.filter(({ member }) => member < self).length
    return { rank: before, of: fellows.length + 1 }
  }

  #holders(piece: number): number {
    let holders = 0
    for (const link of this.#links.values()) if (link.wire.peerPieces.get(piece)) holders++
    return holders
  }
}

/** Blocks to have asked for: what comes in a second, as webtorrent has it, and no more than the other end takes. */
function pipelineOf(wire: Wire): number {
  const blocks = 2 + Math.ceil(wire.downloadSpeed() / BLOCK_BYTES)
  const { reqq } = wire.peerExtendedHandshake
  return typeof reqq === 'number' && reqq > 0 ? Math.min(blocks, reqq) : blocks
}
