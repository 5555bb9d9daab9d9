import type { Body, KindName } from '../../../src/journal/kinds.ts'
import type { Op, OpId } from '../../../src/journal/op.ts'
import type { IneffectiveRow, NodeRole, Reason, Right } from '../../../src/journal/rows.ts'

/** An op that fits its kind. */
export type Formed<K extends KindName = KindName> = {
  [Name in K]: Op & { readonly kind: Name; readonly body: Body<Name> }
}[K]

/** What an op gives, should it be effective. */
export interface Grant {
  readonly right: Right
  readonly op: Formed
  readonly rank: number
  /** Of memberships of nodes. */
  readonly role: NodeRole
  readonly scope: readonly string[] | null
  /** What an approval approves. */
  readonly admission: Formed<'node.admitted'> | undefined
}

export interface Refusal {
  readonly reason: Reason
  readonly beatenBy: OpId | null
}

export function is<K extends KindName>(
  op: Formed,
  ...kinds: readonly K[]
): op is Extract<Formed, { kind: K }> {
  return (kinds as readonly string[]).includes(op.kind)
}

/** The entity an authority op is about; null for content. */
export function entityOf(op: Formed): string | null {
  switch (op.kind) {
    case 'cluster.founded':
      return 'cluster'
    case 'node.admitted':
    case 'node.approved':
    case 'node.renewed':
    case 'node.evicted':
      return `node:${op.body.node}`
    case 'node.announced':
    case 'node.left':
      return `node:${op.author}`
    case 'invite.created':
    case 'invite.withdrawn':
      return `invite:${op.author}/${op.body.invite}`
    case 'network.key-rotated':
      return `network:${op.body.key}`
    case 'lane.snapshotted':
      return `snapshot:${op.id}`
    case 'lane.attested':
      return `snapshot:${op.body.snapshot}`
    case 'user.created':
      return `user:${op.id}`
    case 'cluster.recovered':
    case 'user.profile-set':
    case 'user.renamed':
    case 'user.admin-set':
    case 'user.password-set':
    case 'user.groups-set':
    case 'user.deleted':
      return `user:${op.body.user}`
    case 'project.created':
      return `project:${op.id}`
    case 'project.metadata-set':
    case 'project.renamed':
    case 'project.deleted':
    case 'immutability.set':
      return `project:${op.body.project}`
    case 'member.granted':
    case 'member.revoked':
      return `member:${op.body.project}/${op.body.user}`
    case 'link.policy-set':
      return `link:${op.body.link}`
    case 'quota.set':
    case 'quota.moved':
      return `quota:${op.body.project}`
    case 'tag.moved':
      return `tag:${op.body.projectId}/${op.body.path}:${op.body.tag}@${op.body.digest}`
    case 'tag.deleted':
      return `tag:${op.body.projectId}/${op.body.path}:${op.body.tag}`
    case 'manifest.put':
    case 'manifest.deleted':
      return `manifest:${op.body.projectId}/${op.body.path}@${op.body.digest}`
    case 'blob.linked':
    case 'blob.unlinked':
      return `blob:${op.body.projectId}/${op.body.path}@${op.body.digest}`
    default:
      return null
  }
}

/** The right an op takes; undefined where it takes none. */
export function takenBy(op: Formed): Right | undefined {
  switch (op.kind) {
    case 'node.evicted':
      return `node:${op.body.node}#member`
    case 'node.left':
      return `node:${op.author}#member`
    case 'user.deleted':
      return `user:${op.body.user}#account`
    case 'user.admin-set':
      return op.body.admin ? undefined : `user:${op.body.user}#system`
    case 'member.revoked':
      return `member:${op.body.project}/${op.body.user}#project`
    case 'member.granted':
      return op.body.role === 1 ? undefined : `member:${op.body.project}/${op.body.user}#project`
    default:
      return undefined
  }
}

export function ineffectiveRow(
  op: Op,
  outcome: IneffectiveRow['outcome'],
  reason: Reason,
  entity: string | null,
  beatenBy: OpId | null,
): IneffectiveRow {
  const { kind, actor, author, time } = op
  return { kind, actor, author, time, reason, outcome, entity, beatenBy }
}
