/*
 * Everything this room does to webtorrent that webtorrent does not offer, in one place.
 *
 * Pinned: webtorrent 3.0.21, bittorrent-protocol 5.0.9, torrent-piece 4.0.1. Whoever moves a pin reads
 * these functions against the new sources; `test/unit/cluster/swarm` fails where one no longer holds.
 */
import { EventEmitter } from 'node:events'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import WebTorrent, { type ClientOptions, type Torrent, type Wire } from 'webtorrent'
import Peer from 'webtorrent/lib/peer.js'
import { WIRE_MESSAGE_BYTES_MAX } from './limits.ts'

/** Stands where webtorrent would open its plain, unauthenticated listener: never listens, never accepts. */
class NoListener extends EventEmitter {
  listen(_port: unknown, listening: () => void): this {
    queueMicrotask(listening)
    return this
  }

  /** Discovery wants a port that is not 0 (torrent-discovery/index.js:16); with its means off it tells nobody. */
  address(): { readonly port: number } {
    return { port: 1 }
  }

  close(closed?: () => void): void {
    if (closed) queueMicrotask(closed)
  }
}

/**
 * A client without its TCP listener. The constructor calls `net.createServer` synchronously
 * (lib/conn-pool.js:46) and has no option against it, so for that call it is given `NoListener`.
 */
export function createClient(options: ClientOptions): WebTorrent {
  const createServer = net.createServer
  const listener = new NoListener()
  net.createServer = (() => listener) as unknown as typeof net.createServer
  try {
    const client = new WebTorrent(options)
    if (client._connPool.tcpServer !== listener)
      throw new Error('webtorrent has opened a listener of its own')
    return client
  } finally {
    net.createServer = createServer
  }
}

/**
 * A wire over a socket that is already connected, as `addPeer` makes one, but with `pipe` moving the bytes: the
 * stock chain runs every chunk through six streams (lib/peer.js:184) and joins it with what is left of the one
 * before (bittorrent-protocol/index.js:854).
 */
export function connectWire(
  torrent: Torrent,
  id: string,
  socket: Duplex,
  pipe: (wire: Wire) => unknown,
): Wire {
  const peer = new Peer(id, 'webrtc', 0)
  peer.conn = socket
  peer.swarm = torrent
  peer.setThrottlePipes = () => pipe(peer.wire as Wire)
  peer.onConnect()
  torrent._registerPeer(peer)
  return peer.wire as Wire
}

/** webtorrent looks for requests to make after every block, on every wire: once a turn is enough. */
export function calmUpdates(torrent: Torrent): void {
  let isDue = false
  torrent._debug = () => {}
  torrent._update = () => {
    if (isDue) return
    isDue = true
    process.nextTick(() => {
      isDue = false
      torrent._updateWireWrapper()
    })
  }
}

/** What webtorrent does when a piece has been verified and written (lib/torrent.js:1985). */
export function markHave(torrent: Torrent, piece: number): void {
  torrent.pieces[piece] = null
  torrent._markVerified(piece)
  for (const wire of torrent.wires) wire.have(piece)
  torrent._checkDone()
  torrent._update()
}

/** Ends the torrent with an error, as webtorrent does when its store fails. */
export function failTorrent(torrent: Torrent, error: unknown): void {
  if (!torrent.destroyed) torrent._destroy(error)
}

/**
 * Puts `choose` in the place of both stock strategies: 'sequential' makes every leecher ask for the same
 * piece, 'rarest' scans all pieces per request and stalls the loop for seconds (lib/torrent.js:1583).
 */
export function takeOverChoice(torrent: Torrent, choose: (wire: Wire) => void): void {
  torrent._updateWire = (wire) => {
    if (torrent.ready && !torrent.destroyed && !wire.destroyed && !wire.peerChoking) choose(wire)
  }
}

/** Asks for one free block of the piece; with `hotswap` for one that a much slower wire holds up. */
export function requestBlock(torrent: Torrent, wire: Wire, piece: number, hotswap: boolean): boolean {
  if (hotswap) return torrent._request(wire, piece, true)
  // It counts requests against a second's worth at the measured speed, which is nothing at first
  // (lib/torrent.js:1935); how many may be open is for the caller to say.
  const { downloadSpeed } = wire
  wire.downloadSpeed = () => Number.MAX_SAFE_INTEGER
  try {
    return torrent._request(wire, piece, false)
  } finally {
    wire.downloadSpeed = downloadSpeed
  }
}

/** Whether a block of the missing piece has not been asked for. */
export function hasFreeBlock(torrent: Torrent, piece: number): boolean {
  const state = torrent.pieces[piece]
  if (!state || state._flushed) return false
  return state._reservations < state._chunks || (state._cancellations?.length ?? 0) > 0
}

/** Makes every wire look for requests. */
export function nudge(torrent: Torrent): void {
  if (torrent.ready && !torrent.destroyed) torrent._update()
}

/**
 * Says at first that nothing is here, where webtorrent would say that all is (lib/torrent.js, `_onWireWithMetadata`); the
 * caller tells of pieces by `wire.have`. It gives whatever it is asked for all the same.
 */
export function holdBackAll(wire: Wire): void {
  wire.haveAll = () => wire.haveNone()
}

/** The numbers of the pieces the other end says it has. */
export function piecesOf(wire: Wire, pieceCount: number): number[] {
  const pieces: number[] = []
  for (let piece = 0; piece < pieceCount; piece++) if (wire.peerPieces.get(piece)) pieces.push(piece)
  return pieces
}

const HAVE = 4
const BITFIELD = 5
const REQUEST = 6
const PIECE = 7
const CANCEL = 8
const PORT = 9
const EXTENDED = 20
const EXTENDED_HANDSHAKE = 0

/**
 * Bounds what a peer may say, before the wire acts on it: the length of a message (the stock wire would
 * buffer 4 GiB), piece numbers, the size of a bitfield; and no extension but the handshake, whose
 * decoders throw on what they do not expect.
 */
export function guardWire(wire: Wire, pieceCount: number, blame: (reason: string) => void): void {
  const stockLength = wire._onMessageLength.bind(wire)
  const stockMessage = wire._onMessage.bind(wire)
  const refuse = (reason: string) => {
    blame(reason)
    wire.destroy()
  }
  wire._onMessageLength = (buffer) => {
    const length = Buffer.from(buffer.buffer, buffer.byteOffset, 4).readUInt32BE()
    if (length > WIRE_MESSAGE_BYTES_MAX) refuse('a message is too long')
    else stockLength(buffer)
  }
  wire._onMessage = (buffer) => {
    const view = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    const fault = faultOf(view, pieceCount)
    if (fault) return refuse(fault)
    // Not for us; but the wire must go on to the next message, which its own answer to 'port' does.
    const message = isIgnored(view) ? new Uint8Array([PORT, 0, 0]) : buffer
    try {
      stockMessage(message)
    } catch (error) {
      refuse(error instanceof Error ? error.message : 'a message was not understood')
    }
  }
}

function faultOf(message: Buffer, pieceCount: number): string | undefined {
  const id = message[0]
  if (id === BITFIELD && message.length !== 1 + Math.ceil(pieceCount / 8))
    return 'a bitfield has the wrong size'
  if (id === HAVE || id === REQUEST || id === PIECE || id === CANCEL) {
    const least = id === HAVE ? 5 : id === PIECE ? 9 : 13
    if (message.length < least) return 'a message is too short'
    if (message.readUInt32BE(1) >= pieceCount) return 'there is no such piece'
  }
  return undefined
}

function isIgnored(message: Buffer): boolean {
  return message[0] === EXTENDED && message[1] !== EXTENDED_HANDSHAKE
}
