import type { Startable } from '../../src/runtime/startable.ts'
import type { NodeId } from '../network/network.ts'
import type { Bitfield } from './piece-map.ts'
import type { Torrent } from './torrent.ts'

/**
 * What speaks BitTorrent. The room above knows only this: torrents, connections of proven members, and which
 * pieces have come from whom. Nothing of the library or of a socket shows, so that it can run in a thread of its own.
 */
export interface Engine extends Startable {
  /** Where it listens for members. */
  address(): { readonly host: string; readonly port: number } | undefined
  /**
   * A connection whose other end is this member, proven.
   * @throws Fault SWARM_UNREACHABLE when none of the member's addresses answers as the member
   */
  dial(member: NodeId, signal: AbortSignal): Promise<Connection>
  /** Takes part in a torrent. One session per infohash at a time. */
  join(torrent: Torrent, bytes: PieceBytes, init: SessionInit): Session
}

export interface EngineInit {
  readonly host: string
  /** 0 takes any free one; `address()` tells which. */
  readonly port: number
  /** Bytes a second this node sends by torrent at most; no bound where absent. */
  readonly uploadBytesPerSecond?: number | undefined
  /** A current member has opened a connection, and greeted with this infohash. Whoever takes it attaches it. */
  readonly accept: (member: NodeId, infoHash: string, connection: Connection) => void
}

/** To a proven member. An engine takes back only what it has given out itself. */
export interface Connection {
  destroy(): void
}

/** Where pieces are written to and read from. */
export interface PieceBytes {
  /** Fills `into` from `position`; fails when it cannot fill it. */
  readFully(into: Uint8Array, position: number): Promise<void>
  write(bytes: Uint8Array, position: number): Promise<void>
}

export interface SessionInit {
  /** All pieces are there and verified: nothing is asked for. */
  readonly complete: boolean
  /** Pieces that are there and verified when it begins, as in the bitfield of the wire; none where absent. */
  readonly here?: Bitfield | undefined
  /** The first piece a reader waits for. */
  readonly front: () => number | undefined
  /** What the room thinks of this member now. */
  readonly whom: (member: NodeId) => Whom
  readonly events: SessionEvents
}

/** A member of a torrent, as far as it decides what is asked of it. */
export interface Whom {
  /** Whether anything is asked of it at all: one beyond a long link may only be here to be given to. */
  readonly asks: boolean
  readonly site: string
  /** It fetches the blob from another site. */
  readonly ingress: boolean
}

export interface SessionEvents {
  /** A piece agreed with its hash and was written; `from` gave its bytes. */
  piece(index: number, from: readonly NodeId[]): void
  /** The whole of a piece came from this member, and did not agree with its hash. */
  lied(member: NodeId): void
  sent(bytes: number): void
  joined(member: NodeId): void
  gone(member: NodeId): void
  /** The store failed; the session is over. */
  failed(error: unknown): void
}

export interface Session {
  readonly torrent: Torrent
  /** Bytes of blocks that came in, verified or not: progress, however slow. */
  readonly received: number
  /** Members with a live connection in this torrent. */
  members(): NodeId[]
  /** Hands over a connection; `dialler` is whoever opened it. Of two to one member, one is kept. */
  attach(member: NodeId, dialler: NodeId, connection: Connection): Promise<void>
  drop(member: NodeId): void
  /** Looks for requests to make that no event led to. */
  nudge(): void
  stop(): Promise<void>
}
