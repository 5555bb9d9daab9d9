import { type Dot, hasSeen, reaches } from '../op.ts'
import type { HistoryOp, Right } from '../rows.ts'
import { bodyOf } from './bodies.ts'
import { inviteEntity } from './entities.ts'

/** A right that an op gives or takes; see docs/decisions/0007. */

export const memberRight = (node: string): Right => `node:${node}#member`
export const accountRight = (user: string): Right => `user:${user}#account`
export const systemRight = (user: string): Right => `user:${user}#system`
export const projectRight = (project: string, user: string): Right => `member:${project}/${user}#project`

/** What an admission by the invite rests on. */
export const inviteRight = (entity: string): Right => `${entity as `invite:${string}`}#invite`

const PROJECT_ADMIN = 1

/** The entity in whose history a right is given and taken. */
export function entityOf(right: Right): string {
  return right.slice(0, right.lastIndexOf('#'))
}

/** What an op needs to say about itself for its rights to be known. */
type Told = Pick<HistoryOp, 'id' | 'kind' | 'body' | 'author'>

/** The rights an op gives where it counts. Of a node's admission and approval `needs.ts` says which gives it. */
export function givenBy(op: Told): Right[] {
  const rights: Right[] = []
  const admitted = bodyOf(op, 'node.admitted')
  if (admitted) rights.push(memberRight(admitted.node))
  const approved = bodyOf(op, 'node.approved')
  if (approved) rights.push(memberRight(approved.node))
  const invite = bodyOf(op, 'invite.created')
  if (invite) rights.push(inviteRight(inviteEntity(op.author, invite.invite)))
  const created = bodyOf(op, 'user.created')
  if (created) rights.push(accountRight(op.id), ...(created.admin ? [systemRight(op.id)] : []))
  const admin = bodyOf(op, 'user.admin-set')
  if (admin?.admin) rights.push(systemRight(admin.user))
  const recovered = bodyOf(op, 'cluster.recovered')
  if (recovered) rights.push(systemRight(recovered.user))
  const project = bodyOf(op, 'project.created')
  if (project) rights.push(projectRight(op.id, project.owner))
  const granted = bodyOf(op, 'member.granted')
  if (granted?.role === PROJECT_ADMIN) rights.push(projectRight(granted.project, granted.user))
  return rights
}

/** The right an op takes where it counts. */
export function takenBy(op: Told): Right | undefined {
  const evicted = bodyOf(op, 'node.evicted')
  if (evicted) return memberRight(evicted.node)
  if (op.kind === 'node.left') return memberRight(op.author)
  const deleted = bodyOf(op, 'user.deleted')
  if (deleted) return accountRight(deleted.user)
  const admin = bodyOf(op, 'user.admin-set')
  if (admin && !admin.admin) return systemRight(admin.user)
  const revoked = bodyOf(op, 'member.revoked')
  if (revoked) return projectRight(revoked.project, revoked.user)
  const granted = bodyOf(op, 'member.granted')
  if (granted && granted.role !== PROJECT_ADMIN) return projectRight(granted.project, granted.user)
  return undefined
}

/** Whether a revocation lets stand what was written at `dot`. */
export function accepts(revocation: Pick<HistoryOp, 'kind' | 'body' | 'dot' | 'past'>, dot: Dot): boolean {
  const frontier = bodyOf(revocation, 'node.evicted')?.frontier
  return frontier ? reaches(frontier, dot) : hasSeen(revocation, dot)
}

export interface Granting {
  readonly grants: readonly HistoryOp[]
  readonly revocations: readonly HistoryOp[]
}

const NOTHING: Granting = { grants: [], revocations: [] }
/** Histories are never changed, only replaced: what was found in one stays true of it. */
const found = new WeakMap<readonly HistoryOp[], Map<Right, Granting>>()

/** Who gave and who took a right, as its entity's history has it. */
export function grantingOf(history: readonly HistoryOp[], right: Right): Granting {
  let rights = found.get(history)
  if (!rights) {
    rights = index(history)
    found.set(history, rights)
  }
  return rights.get(right) ?? NOTHING
}

function index(history: readonly HistoryOp[]): Map<Right, Granting> {
  const rights = new Map<Right, { grants: HistoryOp[]; revocations: HistoryOp[] }>()
  const of = (right: Right) => {
    const known = rights.get(right) ?? { grants: [], revocations: [] }
    rights.set(right, known)
    return known
  }
  for (const op of history) {
    for (const right of givenBy(op)) of(right).grants.push(op)
    const taken = takenBy(op)
    if (taken) of(taken).revocations.push(op)
  }
  return rights
}
