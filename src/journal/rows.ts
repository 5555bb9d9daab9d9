import type { Frontier, OpId } from './op.ts'
import type { LinkRow, ManifestFacts, ManifestRow, RepositoryRow, TagRow } from './rows/catalog.ts'
import type { EventRow, VerdictRow } from './rows/content.ts'
import type { HistoryOp, IneffectiveRow, RetractedRow, StageMember, StageRow } from './rows/history.ts'
import type { LinkPolicyRow, LinkUseRow } from './rows/links.ts'
import type { ClusterRow, InviteRow, NetworkKeyRow, NodeRow, SnapshotRow } from './rows/nodes.ts'
import type { UserRow } from './rows/people.ts'
import type { MemberRow, ProjectRow, QuotaRow } from './rows/projects.ts'
import type { Claim } from './rows/registers.ts'

export type { LinkRow, ManifestFacts, ManifestRow, RepositoryRow, TagOp, TagRow } from './rows/catalog.ts'
export type { EventRow, VerdictRow } from './rows/content.ts'
export type {
  HistoryOp,
  IneffectiveRow,
  Need,
  Reason,
  Refused,
  RetractedRow,
  Right,
  StageMember,
  StageRow,
  Support,
} from './rows/history.ts'
export type { LinkPolicyRow, LinkUseRow } from './rows/links.ts'
export type {
  ClusterRow,
  InviteRow,
  NetworkKeyRow,
  NodeFacts,
  NodeRole,
  NodeRow,
  SnapshotRow,
} from './rows/nodes.ts'
export type { GroupsSeen, UserRow } from './rows/people.ts'
export type { ImmutabilityRule, MemberRow, ProjectRow, QuotaRow, RoleId } from './rows/projects.ts'
export type { Claim, Register, Sibling } from './rows/registers.ts'

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
 * - linkPolicies `<site>/<site>`, the lesser first; `*` for all others
 * - verdicts     `<digest>\0<scanner>\0<database>`
 * - events       `<month>\0<time, 16 digits>\0<op id>`
 * - pulls        `<month>\0<repository key>\0<digest>\0<node id>`
 * - linkUse      `<month>\0<site>/<site>\0<node id>`
 *
 * And what this node keeps for itself, outside the state hash:
 * - history      entity (`user:<id>`, `project:<id>`, `member:<project>/<user>`, `node:<id>`, `invite:<id>`, `quota:<project>`,
 *   `link:<site>/<site>`)
 * - stages       `cluster` or `project:<id>`: revocations that are decided together
 * - stageMembers `<stage>/<chunk>`: which they are
 * - dependents   `<right>\0<entity>`: in whose history ops rest on a right; and `<right>`, where any do
 * - reviews      right: its dependents are to be decided again
 * - disputes     as `tags`: those that mean several things, or were to mean what a rule forbade
 * - disputedFields `user:<id>`, `project:<id>`: those of which a field has several values; `link:<site>/<site>` likewise
 * - retracted    op id: what counted here until its author was found to have two histories
 * - retractedTags as `tags`: which of these moved it, and wait for somebody's word
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
  linkPolicies: LinkPolicyRow
  verdicts: VerdictRow
  events: EventRow
  pulls: { readonly total: number }
  linkUse: LinkUseRow
  history: readonly HistoryOp[]
  stages: StageRow
  stageMembers: readonly StageMember[]
  dependents: Readonly<Record<string, never>>
  reviews: { readonly after: string }
  disputes: { readonly tag: string }
  disputedFields: { readonly fields: readonly string[] }
  retracted: RetractedRow
  retractedTags: { readonly ids: readonly OpId[] }
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
