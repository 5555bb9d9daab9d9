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
}

export interface NodeRow extends NodeFacts {
  readonly id: string
  readonly state: 'member' | 'left' | 'evicted'
  readonly admittedAt: number
  readonly admittedBy: string
  /** The admission that counts, where several nodes admitted it unaware of each other. */
  readonly admission: Claim
  /** The facts are the node's own words by now, no longer those of its admission. */
  readonly announced: boolean
}

export interface InviteRow {
  readonly id: string
  /** Redeemable only at this node. */
  readonly issuer: string
  /** Proves knowledge of the secret without holding it. */
  readonly verifier: string
  readonly expiresAt: number
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
  /** Live links, add-wins. */
  readonly links: Register<null>
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
}

/** An op that changed nothing, and why. Not part of the state hash: what is late differs between nodes. */
export interface IneffectiveRow {
  readonly kind: string
  readonly actor: string
  readonly author: string
  readonly time: number
  readonly reason: string
}

/**
 * Every table, `key -> row`:
 * - cluster      `cluster`
 * - nodes        node id
 * - invites      invite id
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
 * - ineffective  op id
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
  ineffective: IneffectiveRow
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
