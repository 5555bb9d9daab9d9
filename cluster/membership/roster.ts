import type { NodeId } from '../network/network.ts'

/** A node as the journal's tables know it. */
export interface Member {
  readonly id: NodeId
  readonly name: string
  readonly site: string
  readonly state: 'member' | 'left' | 'evicted'
  /** libp2p multiaddrs, with the peer id. */
  readonly addresses: readonly string[]
  /** host:port of the swarm's TLS listener, best first. */
  readonly swarm: readonly string[]
  readonly url: string | null
}

/** Who belongs, read from the tables at the moment of asking: the gater, the swarm and the ledger ask here. */
export interface Roster {
  get(node: NodeId): Member | undefined
  /** True only in state `member`. */
  isMember(node: NodeId): boolean
  members(): Member[]
  onChange(listener: () => void): () => void
}
