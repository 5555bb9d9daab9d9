/** What the cluster looks like from here, and what an operator may do to it. `cluster/membership` fulfils it. */
export interface Topology {
  status(): Promise<ClusterStatus>
  /** @throws Fault INVITE_TTL_INVALID for a lifetime that is not allowed */
  invite(request: InviteRequest): Promise<Invitation>
  /** @throws Fault NODE_UNKNOWN */
  evict(node: string): Promise<void>
  /** This node tells the others that it goes, and stops taking part. */
  leave(): Promise<void>
}

export interface InviteRequest {
  /** Seconds until the invite dies unused. */
  readonly ttlSeconds: number
}

export interface Invitation {
  readonly id: string
  /** The text to hand to the new node's operator; shown once, never stored. */
  readonly invite: string
  /** ISO 8601. */
  readonly expiresAt: string
}

export interface ClusterStatus {
  readonly cluster: { readonly id: string; readonly name: string }
  /** The node that answers. */
  readonly self: string
  /** SHA-256 over this node's effective state: equal on nodes that agree. */
  readonly stateHash: string
  readonly members: readonly MemberStatus[]
  readonly transfers: TransferStatus
}

export interface MemberStatus {
  readonly id: string
  readonly name: string
  readonly site: string
  readonly state: 'member' | 'left' | 'evicted'
  readonly self: boolean
  /** A live connection stands right now (always true for the node itself). */
  readonly connected: boolean
  readonly addresses: readonly string[]
  readonly url: string | null
  /** `in-sync`: same frontier as ours; `behind`/`ahead`: entries it lacks of ours or we of its. */
  readonly sync: 'in-sync' | 'behind' | 'ahead' | 'diverged' | 'unknown'
  /** Journal entries that one side has and the other lacks, at the last exchange. */
  readonly lagEntries: number | null
  /** The peer's state hash at the last exchange. */
  readonly stateHash: string | null
  /** Milliseconds since the last exchange of frontiers. */
  readonly lastExchangeMs: number | null
  /** Round trip of the last ping, milliseconds. */
  readonly rttMs: number | null
}

/** Bytes of blobs that came from or went to members since this node started. */
export interface TransferStatus {
  readonly torrent: TransferCounters
  readonly direct: TransferCounters
  /** The last blobs that arrived, newest first. */
  readonly recent: readonly RecentTransfer[]
}

export interface TransferCounters {
  readonly blobsReceived: number
  readonly bytesReceived: number
  readonly bytesSent: number
}

export interface RecentTransfer {
  readonly digest: string
  readonly size: number
  readonly transport: 'torrent' | 'direct'
  /** Names of the members the bytes came from. */
  readonly from: readonly string[]
  readonly milliseconds: number
}
