import type { Tables } from '../journal/journal.ts'
import type { Frontier, Lane } from '../journal/op.ts'
import type { NodeRole } from '../journal/rows.ts'

/**
 * On whose behalf the cluster is changed, with the question whether they may; it is asked inside the commit's
 * own turn. `Acting` of src/access is one.
 */
export interface OnBehalf {
  /** A user id, or `node`: the operator at this node's control socket. */
  readonly actor: string
  /** @throws Fault when they may not */
  permit(tables: Pick<Tables, 'get'>): void
}

/** What the cluster looks like from here, and what an operator may do to it. `cluster/membership` fulfils it. */
export interface Topology {
  status(): Promise<ClusterStatus>
  /** @throws Fault INVITE_TTL_INVALID for a lifetime that is not allowed */
  invite(request: InviteRequest, by: OnBehalf): Promise<Invitation>
  /** Every invite on record, the newest last. */
  invites(): Promise<readonly InviteStatus[]>
  /** @throws Fault INVITE_UNKNOWN, INVITE_USED */
  withdrawInvite(id: string, by: OnBehalf): Promise<void>
  /**
   * The second consent to a node that waits for it.
   * @throws Fault NODE_UNKNOWN, NODE_NOT_PENDING, SECOND_CONSENT_OWN when it was the same who invited
   */
  approve(node: string, by: OnBehalf): Promise<void>
  /** What a node wrote lately, newest first: to be looked at before it is put out, or after. @throws Fault NODE_UNKNOWN */
  review(node: string, request: ReviewRequest): Promise<Review>
  /**
   * Closes its connections everywhere and changes the network key. Of a node that is out already, as compromised, less
   * can be accepted than before, never more: of all that was said of a log the least counts.
   * @throws Fault NODE_UNKNOWN, NODE_IS_SELF, CONFLICT where nothing more would be taken back
   */
  evict(node: string, eviction: Eviction, by: OnBehalf): Promise<void>
  /**
   * This node tells the others that it goes, and stops taking part.
   * @param force goes although bytes go with it
   * @throws Fault LAST_COPIES where some are at no other node that can be asked
   */
  leave(by: OnBehalf, force: boolean): Promise<void>
  /** Has other members fetch what only this node has; where that runs already it goes on. */
  handOver(): HandoverStatus
  /** How far the last handover is, or was. */
  handover(): HandoverStatus
  /** A new key of the private wire, told to every member. @returns its name */
  rotateNetworkKey(by: OnBehalf): Promise<string>
  /** The links between sites, as they are now. */
  links(): Promise<readonly LinkStatus[]>
  /**
   * What may go over a link.
   * @param link two sites by name, the lesser first, as `hq/shop-7`; `*`: every pair that nothing was said of
   */
  setLink(link: string, said: LinkSettings, by: OnBehalf): Promise<void>
  /**
   * Whether what this node's disk gives back is what was written: how the last look went, and the running one.
   * @param anew begins one at full speed; where such a one runs it goes on
   */
  checkStorage(anew: boolean): StorageCheck
}

/** Blobs only this node had, and those of them that another has by now. */
export interface HandoverStatus {
  readonly running: boolean
  readonly blobs: number
  readonly bytes: number
  readonly handed: number
  readonly handedBytes: number
  /** Nobody took them: the next one tries them again. */
  readonly failed: number
}

/** What is said of a link. What is left out stays as it is, null takes back what was said. */
export interface LinkSettings {
  /** Bytes a second, each way. */
  readonly rate?: number | null | undefined
  /** When bulk may go over it: `22:00-06:00`, `mon-fri 22:00-06:00 UTC+01:00`. */
  readonly hours?: string | null | undefined
  /** Bytes of a calendar month (UTC), both ways together. */
  readonly budget?: number | null | undefined
  readonly forbidden?: boolean | null | undefined
}

export interface LinkStatus {
  /** `<site>/<site>`, the lesser first; `*` for what holds for all that nothing was said of. */
  readonly link: string
  /** Null for `*`. */
  readonly sites: readonly string[] | null
  /** `metered`: it has a budget; `closed`: nothing goes over it, not even what somebody waits for. */
  readonly class: 'near' | 'long' | 'metered' | 'closed'
  readonly rate: number | null
  readonly hours: string | null
  readonly budget: number | null
  readonly forbidden: boolean
  /** Something was said of this pair itself; else it goes by `*`. */
  readonly own: boolean
  /** Why nothing goes over it; `hours` closes it for what nobody waits for. */
  readonly closed: 'forbidden' | 'budget' | 'hours' | null
  /** ISO 8601; null where it is open, or only an administrator opens it. */
  readonly opensAt: string | null
  /** Of blobs, this month (UTC), both ways, as far as the nodes have told. */
  readonly usedBytes: number
  /** What the whole month comes to if it goes on so; null while it has hardly begun. */
  readonly forecastBytes: number | null
  /** Milliseconds to the nearest node of the other site; null where none is connected, or it is no link of this site. */
  readonly rttMs: number | null
  /** Both sites have a member. */
  readonly known: boolean
  /** Fields that two administrators set otherwise at the same time: `flotilla conflicts` shows who. */
  readonly disputed: readonly string[]
}

export interface StorageCheck {
  readonly running: boolean
  /** Read by the running look so far; else by the last. */
  readonly rows: number
  readonly entries: number
  /** Entries there are. */
  readonly entriesTotal: number
  /** The last look that came to its end; null before the first. */
  readonly last: StorageFindings | null
}

export interface StorageFindings {
  /** ISO 8601. */
  readonly at: string
  readonly milliseconds: number
  readonly rows: number
  readonly entries: number
  /** Entries of logs that are not what their author signed; they are asked for again. */
  readonly damagedEntries: number
  /** Some of these. */
  readonly entriesNamed: readonly { readonly feed: string; readonly seq: number }[]
  /** Families of lanes whose rows did not give their hash. */
  readonly damagedTables: readonly string[]
  /** Rows that were made anew from the logs. */
  readonly mendedRows: number
  /** What is wrong still, and what to do about it; null where nothing is. */
  readonly failure: string | null
}

export interface InviteRequest {
  /** Seconds until the invite dies unused. */
  readonly ttlSeconds: number
  readonly role: NodeRole
  /** Tenants the node may write for; null: all. */
  readonly scope: readonly string[] | null
  /** Another administrator must agree before the node belongs. */
  readonly approval: boolean
  /** How long the membership lasts unless renewed; null: for good. */
  readonly days: number | null
}

export interface InviteStatus {
  readonly id: string
  /** Name of the node that made it, where alone it can be redeemed. */
  readonly issuer: string
  readonly state: 'open' | 'used' | 'expired' | 'withdrawn'
  readonly role: NodeRole
  readonly scope: readonly string[] | null
  readonly approval: boolean
  readonly days: number | null
  /** ISO 8601. */
  readonly expiresAt: string
  /** Id of the node that came by it. */
  readonly redeemedBy: string | null
}

export interface Eviction {
  /** Takes back what it pushed as well, not only what it decided. */
  readonly compromised: boolean
  /**
   * How many entries of each of its logs still count, log by log or the same of each (none of a log that is not
   * named), `now` for all that this node holds at this moment; null: what this node has seen when the record is written.
   */
  readonly acceptUntil: number | 'now' | Frontier | null
  readonly reason: string
}

export interface ReviewRequest {
  /** Milliseconds since 1970, by the reviewed node's own clock. */
  readonly since: number
}

export interface Review {
  readonly node: string
  readonly name: string
  /** Entries of each of its logs, as far as they are here. */
  readonly logs: Readonly<Record<string, number>>
  /** How many of them come before the first that says to be of that time or later. */
  readonly before: Readonly<Record<string, number>>
  readonly ops: readonly ReviewedOp[]
  /** There is more than fits. */
  readonly truncated: boolean
}

export interface ReviewedOp {
  /** ISO 8601, by the reviewed node's own clock. */
  readonly time: string
  readonly kind: string
  readonly actor: string
  readonly log: string
  readonly entry: number
  /** What it was about, as its fields say. */
  readonly about: string
  /** The same in people's names; and on whose behalf. */
  readonly what: string
  readonly who: string
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
  /** What this node thinks an operator should know or do, in sentences. */
  readonly notices: readonly string[]
  readonly transfers: TransferStatus
  /** The records, lane by lane. */
  readonly lanes: readonly LaneFacts[]
  /** How often each reason made an entry, a snapshot or a frame of gossip be refused, since the start. */
  readonly refused: Readonly<Record<string, number>>
  readonly ledger: LedgerFacts
}

/** The records as this node holds them. */
export interface LedgerFacts {
  readonly feeds: number
  readonly entries: number
  /** False once this node's own feed turned out to be forked. */
  readonly writable: boolean
  /** Feeds under one name with two histories. */
  readonly forks: number
  /** Entries that wait for what comes before them. */
  readonly parked: { readonly blocks: number; readonly bytes: number }
  /** Since the start: entries that came before what they depend on. */
  readonly waited: number
  /** Since the start: changes of kinds this version does not know; they are kept and handed on. */
  readonly unknownOps: number
  /** Stored entries that the disk has changed and nobody has sent again yet. */
  readonly damagedEntries: number
  /** Since the start, as what follows. */
  readonly mendedEntries: number
  /** Families of lanes whose rows do not give their hash. */
  readonly damagedTables: readonly string[]
  readonly mendedRows: number
  /** Looks at everything that is stored, come to their end. */
  readonly looks: number
  /** Looks that ended because something could not be read. */
  readonly failedLooks: number
}

export interface LaneFacts {
  readonly lane: Lane
  /** Since the lane began. */
  readonly entries: number
  /** Of these, how many a snapshot stands for: their log is gone. */
  readonly prunedEntries: number
  /** Of the log that is here; an estimate. */
  readonly logBytes: number
  /** The newest; null while there is none. */
  readonly snapshot: SnapshotFacts | null
}

export interface SnapshotFacts {
  readonly digest: string
  readonly bytes: number
  /** Node ids of who wrote it and who vouches for it. */
  readonly signers: readonly string[]
  /** Milliseconds since it was written, by its author's clock. */
  readonly ageMs: number
}

export interface MemberStatus {
  readonly id: string
  readonly name: string
  readonly site: string
  readonly state: 'pending' | 'member' | 'left' | 'evicted'
  /** Of one that was evicted: what was said with it, where anything was. */
  readonly reason?: string
  readonly role: NodeRole
  /** ISO 8601: when the membership ends unless renewed; null: for good. */
  readonly notAfter: string | null
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
