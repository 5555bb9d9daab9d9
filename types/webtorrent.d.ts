/**
 * What `cluster/swarm/webtorrent-engine.ts` uses of webtorrent 3.0.21 and bittorrent-protocol 5.0.9, which
 * ship no types. Members with an underscore are private there: the engine says why it needs each of them.
 */
declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events'

  export interface ClientOptions {
    readonly dht: false
    readonly lsd: false
    readonly tracker: false
    readonly natUpnp: false
    readonly natPmp: false
    readonly utPex: false
    readonly webSeeds: false
    readonly utp: false
    readonly secure: 0
    readonly maxConns: number
    readonly uploadLimit?: number
  }

  export interface ChunkStore {
    readonly chunkLength: number
    put(index: number, bytes: Uint8Array, done: (error: Error | null) => void): void
    get(
      index: number,
      options: { offset?: number; length?: number } | null,
      done: (error: Error | null, bytes?: Uint8Array) => void,
    ): void
    close(done: (error: Error | null) => void): void
    destroy(done: (error: Error | null) => void): void
  }

  export interface TorrentOptions {
    readonly store: new (pieceLength: number) => ChunkStore
    readonly storeCacheSlots: 0
    readonly skipVerify: boolean
    readonly bitfield?: Uint8Array
    readonly uploads: number
    readonly alwaysChokeSeeders: false
    readonly announce: readonly string[]
    readonly private: true
    readonly strategy: 'rarest'
  }

  /** One piece under way; torrent-piece, or what stands in its place. */
  export interface Piece {
    readonly length: number
    _reservations: number
    _chunks: number
    _cancellations: number[] | null
    _flushed: boolean
  }

  export interface Request {
    readonly piece: number
    readonly offset: number
    readonly length: number
  }

  export interface Wire extends EventEmitter {
    readonly destroyed: boolean
    readonly peerChoking: boolean
    readonly amChoking: boolean
    readonly requests: readonly Request[]
    readonly peerRequests: readonly unknown[]
    readonly peerPieces: { get(piece: number): boolean }
    readonly peerExtendedHandshake: { reqq?: unknown }
    extendedHandshake: Record<string, unknown>
    /** Bytes of blocks that came over it. */
    readonly downloaded: number
    downloadSpeed: () => number
    have(piece: number): void
    haveNone(): void
    haveAll(): void
    destroy(): void
    end(): unknown
    /** Bytes the parser waits for. */
    readonly _parserSize: number
    _parser(buffer: Uint8Array): void
    _parse(size: number, parser: (buffer: Uint8Array) => void): void
    _onMessageLength: (buffer: Uint8Array) => void
    _onMessage: (buffer: Uint8Array) => void
    _onPiece(piece: number, offset: number, bytes: Uint8Array): void
    _onRequest(piece: number, offset: number, length: number): void
    _push(bytes: Uint8Array): void
    _debug(...words: unknown[]): void
  }

  export interface Torrent extends EventEmitter {
    readonly destroyed: boolean
    readonly ready: boolean
    readonly pieces: (Piece | null)[]
    readonly wires: readonly Wire[]
    readonly bitfield: { get(piece: number): boolean }
    destroy(options: { destroyStore: boolean }, done: (error?: Error | null) => void): void
    _registerPeer(peer: unknown): void
    _destroy(error: unknown): void
    _markVerified(piece: number): void
    _checkDone(): void
    _debug(...words: unknown[]): void
    _update(): void
    _updateWireWrapper(): void
    _updateWire(wire: Wire): void
    _request(wire: Wire, piece: number, hotswap: boolean): boolean
  }

  export default class WebTorrent extends EventEmitter {
    constructor(options: ClientOptions)
    readonly destroyed: boolean
    readonly torrents: readonly Torrent[]
    readonly _connPool: { readonly tcpServer: unknown }
    add(metainfo: Uint8Array, options: TorrentOptions): Torrent
    destroy(done: (error?: Error | null) => void): void
  }
}

/** How webtorrent sees one connection; deep in the package, which has no `exports`. */
declare module 'webtorrent/lib/peer.js' {
  import type { EventEmitter } from 'node:events'
  import type { Duplex } from 'node:stream'
  import type { Torrent, Wire } from 'webtorrent'

  export default class Peer extends EventEmitter {
    constructor(id: string, type: 'webrtc', secure: 0)
    conn: Duplex | null
    swarm: Torrent | null
    readonly wire: Wire | null
    setThrottlePipes: () => void
    onConnect(): void
  }
}
