import type { Duplex } from 'node:stream'
import type WebTorrent from 'webtorrent'
import type { Torrent as ActiveTorrent, Wire } from 'webtorrent'
import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { NodeId } from '../network/network.ts'
import type { PieceBytes, Session, SessionInit } from './engine.ts'
import { REQUESTS_OPEN_MAX, UPLOAD_SLOTS } from './limits.ts'
import type { Pace } from './pace.ts'
import { BLOCK_BYTES } from './piece-buffer.ts'
import { type Bitfield, countOf, emptyBitfield, hasPiece } from './piece-map.ts'
import type { PiecePool } from './piece-pool.ts'
import { PieceStore } from './piece-store.ts'
import type { ReadAhead } from './read-ahead.ts'
import { LOOK_AGAIN_MS, Revealing, type Shown } from './revealing.ts'
import { metainfoOf, type Torrent } from './torrent.ts'
import { Pieces } from './webtorrent-pieces.ts'
import { calmUpdates, connectWire, guardWire, holdBackAll, piecesOf } from './webtorrent-private.ts'
import { type Link, Requests } from './webtorrent-requests.ts'
import { WirePipe } from './wire-pipe.ts'

interface Parts {
  readonly self: NodeId
  readonly client: WebTorrent
  readonly readAhead: ReadAhead
  readonly logger: Logger
  readonly random: Random
  readonly timers: Timers
  readonly clock: Clock
  readonly pool: PiecePool
  readonly pace: Pace | undefined
}

/** One torrent this node takes part in. */
export class WebTorrentSession implements Session {
  readonly torrent: Torrent
  received = 0
  readonly #parts: Parts
  readonly #init: SessionInit
  readonly #ended: () => void
  readonly #requests: Requests
  readonly #torrent: ActiveTorrent
  readonly #pieces: Pieces
  readonly #ready: Promise<void>
  readonly #links = new Map<Wire, Link>()
  /** Who sent blocks of pieces not yet verified. */
  readonly #sources = new Map<number, Set<NodeId>>()
  readonly #revealing: Revealing<Link>
  readonly #here: Bitfield
  #missing: number
  #count = 0
  #isLookDue = false
  #stopped: Promise<void> | undefined

  constructor(parts: Parts, torrent: Torrent, bytes: PieceBytes, init: SessionInit, ended: () => void) {
    this.#parts = parts
    this.torrent = torrent
    this.#init = init
    this.#ended = ended
    this.#here = Uint8Array.from(init.here ?? emptyBitfield(torrent.pieceCount))
    this.#missing = init.complete ? 0 : torrent.pieceCount - countOf(this.#here)
    const store = new PieceStore(torrent, bytes, parts.readAhead)
    this.#torrent = parts.client.add(metainfoOf(torrent), {
      // webtorrent calls `new`; a constructor may give back another object.
      store: function storeOfBlob() {
        return store
      } as unknown as new () => PieceStore,
      storeCacheSlots: 0,
      skipVerify: init.complete,
      // A bitfield says what is there, instead of reading and hashing it all.
      ...(!init.complete && { bitfield: Uint8Array.from(this.#here) }),
      uploads: UPLOAD_SLOTS,
      alwaysChokeSeeders: false,
      announce: [],
      private: true,
      strategy: 'rarest',
    })
    calmUpdates(this.#torrent)
    this.#pieces = new Pieces({
      torrent,
      active: this.#torrent,
      bytes,
      pool: parts.pool,
      failed: (piece) => this.#onFailed(piece),
    })
    this.#requests = new Requests({
      self: parts.self,
      random: parts.random,
      torrent: this.#torrent,
      pieceCount: torrent.pieceCount,
      pieces: this.#pieces,
      links: this.#links,
      front: init.front,
      whom: init.whom,
    })
    const windowPieces = Math.ceil((REQUESTS_OPEN_MAX * BLOCK_BYTES) / torrent.pieceLength)
    this.#revealing = new Revealing(torrent.pieceCount, windowPieces, parts.random, parts.clock)
    this.#torrent.on('verified', (index: number) => this.#onVerified(index))
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
    const wire = connectWire(this.#torrent, id, socket, (wire) => this.#pipe(wire, socket, member))
    this.#onLink({ id, member, dialler, socket, wire, has: 0, idle: 0, dry: false })
    other?.socket.destroy()
  }

  #pipe(wire: Wire, socket: Duplex, member: NodeId): WirePipe {
    const { timers, pace } = this.#parts
    const blame = (reason: string) => {
      this.#parts.logger.warn({ member, reason }, 'swarm: a connection broke the rules of the wire')
    }
    guardWire(wire, this.torrent.pieceCount, blame)
    const inlet = (piece: number, offset: number, length: number) => this.#pieces.inlet(piece, offset, length)
    return new WirePipe({ socket, wire, timers, pace, inlet, blame })
  }

  drop(member: NodeId): void {
    for (const link of this.#links.values()) if (link.member === member) link.socket.destroy()
  }

  nudge(): void {
    this.#requests.nudge()
  }

  stop(): Promise<void> {
    this.#stopped ??= new Promise<void>((resolve) => {
      this.#ended()
      this.#parts.readAhead.forget(this.torrent.infoHash)
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
    this.#requests.linked()
    wire.extendedHandshake['reqq'] = REQUESTS_OPEN_MAX
    const learn = (has: number) => {
      link.has = has
      link.dry = false
      this.#partFinished(link)
    }
    wire.on('have', (piece: number) => {
      learn(link.has + 1)
      this.#reveal(this.#revealing.got(link, piece))
    })
    wire.on('have-all', () => learn(pieceCount))
    wire.on('bitfield', () => learn(piecesOf(wire, pieceCount).length))
    if (this.#missing === 0) this.#holdBack(link)
    // It gives again, or what was asked of it is open again.
    for (const event of ['unchoke', 'choke', 'reject', 'timeout']) {
      wire.on(event, () => this.#requests.look())
    }
    wire.on('download', (bytes: number) => {
      this.received += bytes
    })
    wire.on('upload', (bytes: number) => this.#init.events.sent(bytes))
    wire.on('piece', (index: number) => this.#noteSource(index, member))
    link.socket.once('close', () => this.#onGone(link))
    this.#init.events.joined(member)
  }

  /** It is told of one piece after the other, if it lacks any, so that others get them from it. */
  #holdBack(link: Link): void {
    const { pieceCount } = this.torrent
    const { wire } = link
    holdBackAll(wire)
    const begin = () => {
      if (link.has >= pieceCount) return
      this.#reveal(this.#revealing.joined(link, piecesOf(wire, pieceCount)))
    }
    wire.once('have-none', begin)
    wire.once('bitfield', begin)
  }

  #reveal(shown: readonly Shown<Link>[]): void {
    for (const { to, piece } of shown) if (!to.wire.destroyed) to.wire.have(piece)
    if (this.#isLookDue || !this.#revealing.waits) return
    this.#isLookDue = true
    this.#parts.timers.after(LOOK_AGAIN_MS, () => {
      this.#isLookDue = false
      if (!this.#stopped) this.#reveal(this.#revealing.lookAgain())
    })
  }

  #onGone(link: Link): void {
    this.#links.delete(link.wire)
    this.#reveal(this.#revealing.left(link))
    this.#requests.unlinked(link)
    this.#init.events.gone(link.member)
  }

  #noteSource(index: number, member: NodeId): void {
    if (this.#torrent.destroyed || this.#torrent.bitfield.get(index)) return
    const sources = this.#sources.get(index)
    if (sources) sources.add(member)
    else this.#sources.set(index, new Set([member]))
  }

  #onVerified(index: number): void {
    // Of pieces that were there from the start it hashes one again.
    if (this.#init.complete || hasPiece(this.#here, index)) return
    this.#missing--
    this.#requests.verified(index)
    const from = this.#sources.get(index) ?? new Set<NodeId>()
    this.#sources.delete(index)
    this.#init.events.piece(index, [...from])
    if (this.#missing > 0) return
    for (const link of this.#links.values()) this.#partFinished(link)
  }

  #onFailed(index: number): void {
    const sources = [...(this.#sources.get(index) ?? [])]
    this.#sources.delete(index)
    this.#requests.failed(index)
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
}
