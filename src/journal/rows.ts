import type { Dot, Frontier, OpId } from './op.ts'

/** A value somebody wrote, with its place in the causal order. */
export interface Sibling<T> {
  readonly id: OpId
  readonly dot: Dot
  readonly depth: number
  readonly actor: string
  readonly time: number
  readonly value: T
}

/**
 * A multi-value register: every value no later write has seen, the deterministic winner first
 * (greatest depth, then id). More than one means that sites wrote without knowing of each other.
 */
export type Register<T> = readonly Sibling<T>[]

/** Somebody's claim to a name or number; the first in (depth, id) order holds it. */
export interface Claim {
  readonly id: OpId
  readonly depth: number
}

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

export interface UserRow {
  readonly id: OpId
  /** Positive 31-bit number, as Harbor's clients expect. */
  readonly number: number
  /** The name asked for at creation; `claims` says whether it is held. */
  readonly name: string
  readonly createdAt: number
  readonly deleted: boolean
  readonly email: Register<string>
  readonly realname: Register<string>
  readonly comment: Register<string>
  /** Restrict-wins: system administrator only while every sibling says so. */
  readonly admin: Register<boolean>
  /** The greatest epoch wins: an old secret never comes back. */
  readonly password: { readonly hash: string; readonly epoch: number; readonly id: OpId }
  /** By directory: what it said at the last login; of several unaware of each other, what all say counts. */
  readonly groups: Readonly<Record<string, Register<GroupsSeen>>>
}

export interface GroupsSeen {
  readonly groups: readonly string[]
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

export interface ProjectRow {
  readonly id: OpId
  readonly number: number
  readonly name: string
  readonly ownerId: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly deleted: boolean
  /** Harbor's string-valued project metadata; `public` is restrict-wins. */
  readonly metadata: Readonly<Record<string, Register<string>>>
  /** Every rule on its tags, oldest first. */
  readonly immutability: readonly ImmutabilityRule[]
}

export interface ImmutabilityRule {
  readonly id: OpId
  readonly dot: Dot
  readonly mode: 'off' | 'strict' | 'available'
  readonly home: string | null
  readonly frontier: Frontier
  /** The rules its author had seen. */
  readonly replaces: readonly OpId[]
}

/** How much of a project's limit each node may spend: sums to the limit. */
export interface QuotaRow {
  readonly projectId: OpId
  readonly limit: number
  /** The op that set the limit. */
  readonly set: OpId
  /** Bytes by node id. */
  readonly rights: Readonly<Record<string, number>>
}

/** Harbor's role ids: 1 projectAdmin, 2 developer, 3 guest, 4 maintainer, 5 limitedGuest. */
export type RoleId = 1 | 2 | 3 | 4 | 5

export interface MemberRow {
  readonly projectId: OpId
  readonly userId: OpId
  /** Live grants; more than one only when sites granted unaware of each other: the weakest then holds. */
  readonly grants: Register<{ readonly role: RoleId; readonly number: number }>
  /** Every revocation: a grant counts only if it had seen all of them. */
  readonly revocations: readonly Dot[]
}

export interface RepositoryRow {
  /** `<project id>/<path below the project>` */
  readonly key: string
  readonly created: {
    readonly id: OpId
    readonly depth: number
    readonly time: number
    readonly actor: string
  }
  readonly updatedAt: number
  readonly manifests: number
  readonly tags: number
}

export interface LinkRow {
  readonly size: number
  /** Live links, add-wins, each with the size it was made with; the first says what counts. */
  readonly links: Register<number>
}

/** What the catalog keeps of a manifest beside its bytes. */
export interface ManifestFacts {
  readonly mediaType: string
  readonly size: number
  readonly artifactType: string | null
  readonly subject: string | null
  readonly annotations: Readonly<Record<string, string>>
  /** Digests of config, layers and children that this repository holds for it. */
  readonly references: readonly string[]
}

export interface ManifestRow {
  readonly digest: string
  /** Live pushes, add-wins; the first is the one to read. */
  readonly puts: Register<ManifestFacts>
}

export interface TagRow {
  readonly tag: string
  /** Live values; the first is what the tag means, the others are conflicts to be shown. */
  readonly values: Register<string>
  /** Everything done to it, where its project has rules on tags. */
  readonly ops?: readonly TagOp[]
}

export interface TagOp extends Sibling<string | null> {
  readonly author: string
  /** Ops of this tag its author had seen. */
  readonly saw: readonly OpId[]
  /** Rules of the project its author had seen. */
  readonly sawRules: readonly OpId[]
}

/** Why an op does not count; docs/decisions/0007 has the table, `effective.ts` the texts. */
export type Reason =
  | 'unknown'
  | 'form'
  | 'powerless'
  | 'revoked'
  | 'last-admin'
  | 'invite-used'
  | 'evicted'
  | 'immutable'
  | 'deleted'
  | 'name'
  | 'quota'

/** An op that does not count, or not fully, and why. */
export interface IneffectiveRow {
  readonly kind: string
  readonly actor: string
  readonly author: string
  readonly time: number
  readonly reason: Reason
  /** `refused`: never had the right, or lost it by a revocation; `lost`: another op beat it. */
  readonly outcome: 'refused' | 'lost'
  /** The entity it was about, such as `user:<id>`; null where it never came so far. */
  readonly entity: string | null
  /** The op it gave way to, where there is one. */
  readonly beatenBy: OpId | null
}

/** An authority op as the history of what it is about keeps it: all that deciding it again takes. */
export interface HistoryOp {
  readonly id: OpId
  readonly dot: Dot
  readonly depth: number
  readonly time: number
  readonly author: string
  readonly actor: string
  readonly kind: string
  readonly body: unknown
  /** Of the author's past, the feeds that had touched this entity; of a revocation's, all of it. */
  readonly past: Frontier
  /** What it rests on: of each need, the grants that may fulfil it. */
  readonly needs: readonly Need[]
  /** Seniority of whoever it was done by; 0 is most senior. */
  readonly rank: number
  /** Why it is ineffective; null while it counts. */
  readonly refused: Refused | null
}

export interface Refused {
  readonly reason: Reason
  readonly beatenBy: OpId | null
}

/** Grants its author had seen, any one of which would do. */
export type Need = readonly Support[]

export interface Support {
  readonly right: Right
  readonly grant: OpId
}

/** `<entity>#<power>`: see docs/decisions/0007. */
export type Right = `${string}#${'member' | 'account' | 'system' | 'project' | 'invite'}`

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

export interface VerdictRow {
  readonly digest: string
  readonly scanner: string
  readonly database: string
  /** Every node's finding; they should agree, and where they do not the worst counts. */
  readonly found: Register<Finding>
}

export interface Finding {
  readonly severity: Severity
  readonly counts: Readonly<Partial<Record<Severity, number>>>
  readonly report: string | null
}

export type Severity = 'none' | 'unknown' | 'low' | 'medium' | 'high' | 'critical'

export interface EventRow {
  readonly time: number
  readonly actor: string
  readonly author: string
  readonly action: string
  readonly resource: string
  readonly client: string | null
  readonly outcome: 'done' | 'refused' | 'failed'
}

/**
 * Every table, `key -> row`:
 * - cluster      `cluster`
 * - nodes        node id
 * - invites      `<issuing node>/<invite id>`
 * - users        user id
 * - projects     project id
 * - claims       `user-name:<folded>`, `user-number:<n>`, `project-name:<name>`, `project-number:<n>`
 * - members      `<project id>/<user id>`
 * - memberships  `<user id>/<project id>`: the same rows by user, only while a grant lives
 * - repositories `<project id>/<path>`, called *repository key* below
 * - links        `<repository key>\0<digest>`
 * - holders      `<digest>\0<repository key>`: links by digest, for mounts and for collecting garbage
 * - manifests    `<repository key>\0<digest>`
 * - tags         `<repository key>\0<tag>`
 * - tagged       `<repository key>\0<digest>\0<tag>`: tags by what they point at
 * - referrers    `<repository key>\0<subject>\0<digest>`
 * - quotas       project id
 * - ineffective  `<lane family>/<op id>`
 * - snapshots    op id
 * - networkKeys  key name
 * - verdicts     `<digest>\0<scanner>\0<database>`
 * - events       `<month>\0<time, 16 digits>\0<op id>`
 * - pulls        `<month>\0<repository key>\0<digest>\0<node id>`
 *
 * And what this node keeps for itself, outside the state hash:
 * - history      entity (`user:<id>`, `project:<id>`, `member:<project>/<user>`, `node:<id>`, `invite:<id>`, `quota:<project>`)
 * - stages       `cluster` or `project:<id>`: revocations that are decided together
 * - stageMembers `<stage>/<chunk>`: which they are
 * - dependents   `<right>\0<op id>`: who rests on a right; and `<right>`, where anybody does
 * - reviews      right: its dependents are to be decided again
 */
export interface Rows {
  cluster: ClusterRow
  nodes: NodeRow
  invites: InviteRow
  users: UserRow
  projects: ProjectRow
  claims: readonly Claim[]
  members: MemberRow
  memberships: { readonly projectId: OpId }
  repositories: RepositoryRow
  links: LinkRow
  holders: { readonly repositoryKey: string }
  manifests: ManifestRow
  tags: TagRow
  tagged: { readonly tag: string }
  referrers: ManifestFacts & { readonly digest: string }
  quotas: QuotaRow
  ineffective: IneffectiveRow
  snapshots: SnapshotRow
  networkKeys: NetworkKeyRow
  verdicts: VerdictRow
  events: EventRow
  pulls: { readonly total: number }
  history: readonly HistoryOp[]
  stages: StageRow
  stageMembers: readonly StageMember[]
  dependents: { readonly entities: readonly string[] }
  reviews: { readonly after: string }
}

/** The revocations that are decided together. */
export interface StageRow {
  readonly size: number
  /** The newest of them, feed by feed. */
  readonly frontier: Frontier
  /** Users that were ever given the administrator's right, for the rule that one stays. */
  readonly administrators: readonly OpId[]
  /** How many of them do not count because nobody would have been left. */
  readonly spared: number
}

/** Where a revocation of a stage is found. */
export interface StageMember {
  readonly entity: string
  readonly id: OpId
}

export type TableName = keyof Rows

/** What is known of one feed. */
export interface FeedState {
  readonly seq: number
  readonly depth: number
  /** The author's whole frontier at that entry. */
  readonly seen: Frontier
}

/** Key of a row that belongs to a repository. */
export function inRepository(repositoryKey: string, ...rest: string[]): string {
  return [repositoryKey, ...rest].join('\u0000')
}
