import type { Duplex } from 'node:stream'
import type WebTorrent from 'webtorrent'
import type { Torrent as ActiveTorrent, Wire } from 'webtorrent'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { NodeId } from '../network/network.ts'
import type { PieceBytes, Session, SessionInit } from './engine.ts'
import { REQUESTS_OPEN_MAX, UPLOAD_SLOTS } from './limits.ts'
import { PieceStore } from './piece-store.ts'
import type { ReadAhead } from './read-ahead.ts'
import { metainfoOf, type Torrent } from './torrent.ts'
import { failedPieceOf, guardWire, wireOf } from './webtorrent-private.ts'
import { type Link, Requests } from './webtorrent-requests.ts'

interface Parts {
  readonly self: NodeId
  readonly client: WebTorrent
  readonly readAhead: ReadAhead
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
  readonly #requests: Requests
  readonly #torrent: ActiveTorrent
  readonly #ready: Promise<void>
  readonly #links = new Map<Wire, Link>()
  /** Who sent blocks of pieces not yet verified. */
  readonly #sources = new Map<number, Set<NodeId>>()
  #missing: number
  #count = 0
  #stopped: Promise<void> | undefined

  constructor(parts: Parts, torrent: Torrent, bytes: PieceBytes, init: SessionInit, ended: () => void) {
    this.#parts = parts
    this.torrent = torrent
    this.#init = init
    this.#ended = ended
    this.#missing = init.complete ? 0 : torrent.pieceCount
    const store = new PieceStore(torrent, bytes, parts.readAhead)
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
    this.#requests = new Requests({
      self: parts.self,
      random: parts.random,
      torrent: this.#torrent,
      pieceCount: torrent.pieceCount,
      store,
      links: this.#links,
      front: init.front,
      asks: init.asks,
      asksToo: init.asksToo,
    })
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
    this.#onLink({ id, member, dialler, socket, wire, has: 0, idle: 0, dry: false })
    other?.socket.destroy()
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
    guardWire(wire, pieceCount, (reason) => {
      this.#parts.logger.warn({ member, reason }, 'swarm: a connection broke the rules of the wire')
    })
    wire.extendedHandshake['reqq'] = REQUESTS_OPEN_MAX
    const learn = (has: number) => {
      link.has = has
      link.dry = false
      this.#partFinished(link)
    }
    wire.on('have', (piece: number) => {
      learn(link.has + 1)
      this.#requests.fellowHas(link, piece)
    })
    wire.on('have-all', () => learn(pieceCount))
    wire.on('bitfield', () => {
      let has = 0
      for (let piece = 0; piece < pieceCount; piece++) if (wire.peerPieces.get(piece)) has++
      learn(has)
    })
    // It gives again, or what was asked of it is open again.
    for (const event of ['unchoke', 'choke', 'reject', 'timeout']) {
      wire.on(event, () => this.#requests.look())
    }
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
    if (this.#init.complete) return
    this.#missing--
    this.#requests.verified(index)
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
