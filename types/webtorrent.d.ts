/**
 * What `cluster/swarm/webtorrent-engine.ts` uses of webtorrent 3.0.21 and bittorrent-protocol 5.0.9, which
 * ship no types. Members with an underscore are private there: the engine says why it needs each of them.
 */
declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events'
  import type { Duplex } from 'node:stream'

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

  /** One piece under way (torrent-piece). */
  export interface Piece {
    _reservations: number
    _chunks: number
    _cancellations: number[] | null
    _flushed: boolean
  }

  export interface Wire extends EventEmitter {
    readonly destroyed: boolean
    readonly peerChoking: boolean
    readonly requests: readonly unknown[]
    readonly peerRequests: readonly unknown[]
    readonly peerPieces: { get(piece: number): boolean }
    readonly peerExtendedHandshake: { reqq?: unknown }
    extendedHandshake: Record<string, unknown>
    downloadSpeed(): number
    have(piece: number): void
    haveNone(): void
    haveAll(): void
    destroy(): void
    _onMessageLength(buffer: Uint8Array): void
    _onMessage(buffer: Uint8Array): void
  }

  export interface Torrent extends EventEmitter {
    readonly destroyed: boolean
    readonly ready: boolean
    readonly pieces: readonly (Piece | null)[]
    readonly bitfield: { get(piece: number): boolean }
    addPeer(peer: Duplex & { id: string; connected: true }): boolean
    destroy(options: { destroyStore: boolean }, done: (error?: Error | null) => void): void
    readonly _peers: ReadonlyMap<string, { readonly wire: Wire | null; destroy(error?: Error): void }>
    _update(): void
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
