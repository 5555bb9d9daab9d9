import type { Dot, Frontier, OpId } from '../op.ts'
import type { Claim } from './registers.ts'

export interface ClusterRow {
  readonly id: string
  readonly name: string
  readonly founder: string
  readonly genesis: Uint8Array
  readonly time: number
}

/** What a node says of itself; only its own ops change it. */
export interface NodeFacts {
  readonly name: string
  readonly site: string
  /** libp2p multiaddrs with the peer id. */
  readonly addresses: readonly string[]
  /** host:port of the swarm's TLS listener. */
  readonly swarm: readonly string[]
  /** Where clients reach it, for people. */
  readonly url: string | null
  /** Ed25519 public key (base64url, JWK `x`) its registry tokens are signed with. */
  readonly tokenKey: string
  /** X25519 public key (base64url, JWK `x`) secrets meant for it are sealed to. */
  readonly sealKey: string
}

/** What a node may write: everything; no decisions of its own; only content; nothing but its presence. */
export type NodeRole = 'anchor' | 'replica' | 'edge' | 'readonly'

export interface NodeRow extends NodeFacts {
  readonly id: string
  /** `pending`: admitted, and waiting for the second consent its invite asks for. */
  readonly state: 'pending' | 'member' | 'left' | 'evicted'
  readonly role: NodeRole
  /** Tenants it may write for; null: all. */
  readonly scope: readonly string[] | null
  readonly admittedAt: number
  readonly admittedBy: string
  /** The admission that counts, where several nodes admitted it unaware of each other. */
  readonly admission: Claim
  /** Milliseconds since 1970 until which the membership lasts; null: for good. Read with the reader's own clock. */
  readonly notAfter: number | null
  /** The facts are the node's own words by now, no longer those of its admission. */
  readonly announced: boolean
}

export interface InviteRow {
  readonly id: string
  /** Redeemable only at this node. */
  readonly issuer: string
  /** The op that made it. */
  readonly created: OpId
  /** On whose behalf it was made. */
  readonly actor: string
  /** Proves knowledge of the secret without holding it. */
  readonly verifier: string
  readonly expiresAt: number
  readonly role: NodeRole
  readonly scope: readonly string[] | null
  readonly approval: boolean
  readonly days: number | null
  readonly withdrawn: boolean
  readonly redeemedBy: string | null
}

/** What a lane amounted to at a frontier, by the word of its author and of those who attested it. */
export interface SnapshotRow {
  readonly id: OpId
  readonly dot: Dot
  readonly depth: number
  readonly lane: string
  readonly frontier: Frontier
  readonly authority: Frontier
  readonly stateHash: string
  readonly digest: string
  readonly bytes: number
  /** Node ids, the author first. */
  readonly signers: readonly string[]
}

export interface NetworkKeyRow {
  readonly key: string
  readonly depth: number
  readonly id: OpId
  readonly author: string
  readonly time: number
  readonly sealed: Readonly<Record<string, Uint8Array>>
}
