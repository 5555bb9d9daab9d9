import type { Member } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import type { Whom } from './engine.ts'
import type { Bitfield } from './piece-map.ts'
import type { Torrent } from './torrent.ts'

/*
 * Between the main thread and the engine's. Sessions, connections, calls and transfers are numbers here; bytes of
 * pieces lie in shared memory, so that neither side copies them. Both ends are of one process and one version:
 * nothing is parsed.
 */

/** What the engine's thread starts with. */
export interface EngineWorkerData {
  readonly self: NodeId
  /** The node's Ed25519 key as libp2p writes it (protobuf). */
  readonly identity: Uint8Array
  readonly host: string
  readonly port: number
  readonly uploadBytesPerSecond: number | undefined
  readonly members: readonly KnownMember[]
  readonly links: readonly LinkFacts[]
}

/** What the room of the links says of the one to this member. */
export interface LinkFacts {
  readonly member: NodeId
  readonly refusal: ErrorFacts | undefined
  /** There is one, so that bytes are paced and counted. */
  readonly paced: boolean
}

export interface KnownMember {
  readonly member: Member
  readonly isMember: boolean
}

/** What a fetch says of the moment: what its reader waits for, and what it thinks of those it is connected to. */
export interface View {
  readonly front: number | undefined
  readonly whom: readonly (readonly [NodeId, Whom])[]
}

export type ToEngine =
  | { readonly type: 'members'; readonly changed: readonly KnownMember[]; readonly gone: readonly NodeId[] }
  | { readonly type: 'links'; readonly links: readonly LinkFacts[] }
  | { readonly type: 'your-turn'; readonly turn: number; readonly error?: ErrorFacts }
  | { readonly type: 'dial'; readonly call: number; readonly member: NodeId }
  | { readonly type: 'hang-up'; readonly call: number }
  | {
      readonly type: 'join'
      readonly session: number
      readonly torrent: Torrent
      readonly complete: boolean
      readonly here: Bitfield | undefined
    }
  | {
      readonly type: 'attach'
      readonly call: number
      readonly session: number
      readonly member: NodeId
      readonly dialler: NodeId
      readonly connection: number
      readonly whom: Whom
    }
  | { readonly type: 'destroy'; readonly connection: number }
  | { readonly type: 'drop'; readonly session: number; readonly member: NodeId }
  | { readonly type: 'view'; readonly session: number; readonly view: View }
  | { readonly type: 'nudge'; readonly session: number }
  | { readonly type: 'leave'; readonly call: number; readonly session: number }
  | { readonly type: 'moved'; readonly transfer: number; readonly error?: ErrorFacts }
  | { readonly type: 'stop'; readonly call: number }

export type FromEngine =
  | { readonly type: 'listening'; readonly address: { readonly host: string; readonly port: number } }
  | { readonly type: 'failed'; readonly error: ErrorFacts }
  | {
      readonly type: 'answer'
      readonly call: number
      readonly connection?: number
      readonly error?: ErrorFacts
    }
  | {
      readonly type: 'accepted'
      readonly member: NodeId
      readonly infoHash: string
      readonly connection: number
    }
  | {
      readonly type: 'piece'
      readonly session: number
      readonly piece: number
      readonly from: readonly NodeId[]
    }
  | { readonly type: 'lied' | 'joined' | 'gone'; readonly session: number; readonly member: NodeId }
  | { readonly type: 'sent' | 'received'; readonly session: number; readonly bytes: number }
  | { readonly type: 'session-failed'; readonly session: number; readonly error: ErrorFacts }
  | {
      /** `bytes` is to be filled from, or written to, `position`; `moved` answers. */
      readonly type: 'read' | 'write'
      readonly session: number
      readonly transfer: number
      readonly bytes: Uint8Array
      readonly position: number
    }
  | {
      /** So many bytes want to go over the link to the member; `your-turn` answers. */
      readonly type: 'turn'
      readonly turn: number
      readonly member: NodeId
      readonly bytes: number
    }
  | { readonly type: 'crossed'; readonly member: NodeId; readonly bytes: number }
  | {
      readonly type: 'log'
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly facts: object
      readonly message: string
    }

/** What one session has to tell, beside bytes to move. */
export type SessionNews = Exclude<
  Extract<FromEngine, { readonly session: number }>,
  { readonly type: 'read' | 'write' }
>

/** An error as it crosses: a Fault keeps its code and facts, whatever else its words. */
export interface ErrorFacts {
  readonly code: string | undefined
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}
