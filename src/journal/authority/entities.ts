import type { HistoryOp } from '../rows.ts'
import { bodyOf } from './bodies.ts'

/** An invite is its issuer's: nobody else can make one of the same name. */
export function inviteEntity(issuer: string, id: string): string {
  return `invite:${issuer}/${id}`
}

/** What an authority op is about; it is listed under the first. */
export function entitiesOf(op: Pick<HistoryOp, 'id' | 'kind' | 'body' | 'author'>): readonly string[] {
  const { node, user, project, invite, snapshot, key } = op.body as Readonly<Record<string, string>>
  const admitted = bodyOf(op, 'node.admitted')
  if (admitted) {
    const own = `node:${admitted.node}`
    return admitted.invite === null ? [own] : [own, inviteEntity(op.author, admitted.invite)]
  }
  switch (op.kind) {
    case 'cluster.founded':
      return ['cluster']
    case 'node.announced':
    case 'node.left':
      return [`node:${op.author}`]
    case 'node.approved':
    case 'node.renewed':
    case 'node.evicted':
      return [`node:${node}`]
    case 'invite.created':
    case 'invite.withdrawn':
      return [inviteEntity(op.author, invite as string)]
    case 'network.key-rotated':
      return [`network:${key}`]
    case 'lane.snapshotted':
      return [`snapshot:${op.id}`, `lane:${bodyOf(op, 'lane.snapshotted')?.lane}`]
    case 'lane.attested':
      return [`snapshot:${snapshot}`]
    case 'user.created':
      return [`user:${op.id}`]
    case 'project.created': {
      const owner = bodyOf(op, 'project.created')?.owner
      return [`project:${op.id}`, `member:${op.id}/${owner}`]
    }
    case 'project.metadata-set':
    case 'project.renamed':
    case 'project.deleted':
    case 'immutability.set':
      return [`project:${project}`]
    case 'member.granted':
    case 'member.revoked':
      return [`member:${project}/${user}`]
    case 'link.policy-set':
      return [`link:${bodyOf(op, 'link.policy-set')?.link}`]
    case 'quota.set':
    case 'quota.moved':
      return [`quota:${project}`]
    default:
      // What is left is about an account.
      return [`user:${user}`]
  }
}
