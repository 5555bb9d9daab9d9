import type { Duplex } from 'node:stream'
import type { Startable } from '../../src/runtime/startable.ts'
import type { NodeId } from '../network/network.ts'
import type { Bitfield } from './piece-map.ts'
import type { Torrent } from './torrent.ts'

/**
 * What speaks BitTorrent. The room above knows only this: torrents, sockets of proven members, and which
 * pieces have come from whom. Nothing of the library shows, so that it can move to a worker thread.
 */
export interface Engine extends Startable {
  /** Takes part in a torrent. One session per infohash at a time. */
  join(torrent: Torrent, bytes: PieceBytes, init: SessionInit): Session
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
  /** Whether anything is asked of this member: one beyond a long link may only be here to be given to. */
  readonly asks: (member: NodeId) => boolean
  /** Whether a fellow that lacks pieces asks this member for them, too. */
  readonly asksToo: (fellow: NodeId, member: NodeId) => boolean
  readonly events: SessionEvents
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
  /** Hands over a socket; `dialler` is whoever opened it. Of two to one member, one is kept. */
  attach(member: NodeId, dialler: NodeId, socket: Duplex): Promise<void>
  drop(member: NodeId): void
  /** Looks for requests to make that no event led to. */
  nudge(): void
  stop(): Promise<void>
}
