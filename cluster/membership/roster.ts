import type { NodeRole } from '../../src/journal/rows.ts'
import type { NodeId } from '../network/network.ts'

/** A node as the journal's tables know it. */
export interface Member {
  readonly id: NodeId
  readonly name: string
  readonly site: string
  readonly state: 'pending' | 'member' | 'left' | 'evicted'
  readonly role: NodeRole
  /** Milliseconds since 1970, by the reader's clock; null: for good. */
  readonly notAfter: number | null
  /** What secrets meant for it are sealed to; null where only a note of a newcomer tells of it. */
  readonly sealKey: string | null
  /** Who let it in; null likewise. */
  readonly admittedBy: NodeId | null
  /** libp2p multiaddrs, with the peer id. */
  readonly addresses: readonly string[]
  /** host:port of the swarm's TLS listener, best first. */
  readonly swarm: readonly string[]
  readonly url: string | null
}

/** Who belongs, read from the tables at the moment of asking: the gater, the swarm and the ledger ask here. */
export interface Roster {
  get(node: NodeId): Member | undefined
  /** True only in state `member`, and while the membership lasts. */
  isMember(node: NodeId): boolean
  members(): Member[]
  onChange(listener: () => void): () => void
}
