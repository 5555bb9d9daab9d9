import type { KindName } from '../kinds.ts'
import { hasSeen, type Op, parseFeedId, tenantOf } from '../op.ts'
import type { HistoryOp, Need, NodeRole, Right, Support } from '../rows.ts'
import { bodyOf } from './bodies.ts'
import { inviteEntity } from './entities.ts'
import { findIn, historyOf, type Readable } from './history.ts'
import {
  accountRight,
  entityOf,
  grantingOf,
  inviteRight,
  memberRight,
  projectRight,
  systemRight,
} from './rights.ts'

/** The actor of what a node does by itself, or its operator through it. */
export const NODE = 'node'

/** What a node of any role may say: that it is there, that it goes. */
const PRESENCE: ReadonlySet<string> = new Set<KindName>(['node.announced', 'node.left'])
/** Needs nothing beyond the node's own membership. */
const OWN: ReadonlySet<string> = new Set<KindName>([
  'node.announced',
  'node.left',
  'quota.moved',
  'cluster.recovered',
])
/** What a node was admitted as. */
export interface Terms {
  readonly role: NodeRole
  readonly scope: readonly string[] | null
}

const FOUNDER_TERMS: Terms = { role: 'anchor', scope: null }

/**
 * The terms a membership grant carries: those of the admission's invite. An approval stands for the first
 * admission it had seen, and counts only where somebody else than the inviter gave it.
 * @returns undefined where the op gives no membership by itself
 */
export function termsOf(tables: Readable, grant: HistoryOp): Terms | undefined {
  const admitted = bodyOf(grant, 'node.admitted')
  if (admitted) {
    if (admitted.invite === null) return FOUNDER_TERMS
    const invite = inviteOf(tables, grant.author, admitted.invite)
    return invite && !invite.approval ? invite : undefined
  }
  const [admission] = admissionsApproved(tables, grant)
  const body = admission && bodyOf(admission, 'node.admitted')
  return admission && body?.invite ? inviteOf(tables, admission.author, body.invite) : undefined
}

/** What an approval approves: admissions its author had seen whose invites ask for it, and are not by the same actor. */
export function admissionsApproved(
  tables: Readable,
  op: Pick<HistoryOp, 'kind' | 'body' | 'actor' | 'author' | 'dot' | 'past'>,
): readonly HistoryOp[] {
  const approved = bodyOf(op, 'node.approved')
  if (!approved) return []
  return historyOf(tables, `node:${approved.node}`).filter((one) => {
    const admission = bodyOf(one, 'node.admitted')
    if (!admission?.invite || !hasSeen(op, one.dot)) return false
    const invite = inviteOf(tables, one.author, admission.invite)
    return invite?.approval && invite.actor !== op.actor
  })
}

function inviteOf(
  tables: Readable,
  issuer: string,
  id: string,
): (Terms & { approval: boolean; actor: string }) | undefined {
  const made = historyOf(tables, inviteEntity(issuer, id)).find((op) => op.kind === 'invite.created')
  const body = made && bodyOf(made, 'invite.created')
  return body && made && { role: body.role, scope: body.scope, approval: body.approval, actor: made.actor }
}

/**
 * What an authority op rests on: of each need the grants its author had seen. An empty need can never be
 * fulfilled. None at all for what founds the cluster.
 */
export function needsOf(tables: Readable, op: Op): readonly Need[] {
  if (op.kind === 'cluster.founded') return []
  const admission = bodyOf(op, 'node.admitted')
  if (admission?.invite === null) return []
  const needs: Need[] = [membership(tables, op)]
  if (op.actor !== NODE) needs.push(supports(tables, op, accountRight(op.actor)))
  if (!OWN.has(op.kind)) needs.push(op.actor === NODE ? membership(tables, op) : power(tables, op))
  // Or an invite that a removed administrator made behind everybody's back would still let a node in.
  if (admission?.invite)
    needs.push(supports(tables, op, inviteRight(inviteEntity(op.author, admission.invite))))
  return needs
}

/** Of who never had the power, and of whatever rests on that: junior to everybody. A whole number, to be written. */
const NOBODYS_RANK = 0xffff_ffff

/** Seniority: least is most senior. The last need is the one the op's power rests on, an admission's invite aside. */
export function rankOf(tables: Readable, needs: readonly Need[], op: Pick<Op, 'kind'>): number {
  if (needs.length === 0 || op.kind === 'cluster.recovered') return 0
  const power = op.kind === 'node.admitted' ? needs.at(-2) : needs.at(-1)
  const ranks = (power ?? []).map(({ right, grant }) => {
    return 1 + (findIn(tables, entityOf(right), grant)?.rank ?? NOBODYS_RANK)
  })
  return Math.min(NOBODYS_RANK, ...ranks)
}

/** The author's membership, under terms that allow the op. */
function membership(tables: Readable, op: Op): Need {
  const right = memberRight(op.author)
  return supports(tables, op, right).filter(({ grant }) => {
    const found = findIn(tables, entityOf(right), grant)
    const terms = found && termsOf(tables, found)
    return terms !== undefined && allows(terms, op)
  })
}

/** Whether a node of those terms may write the op. */
export function allows({ role, scope }: Terms, op: Pick<Op, 'kind' | 'actor' | 'dot'>): boolean {
  if (PRESENCE.has(op.kind) || role === 'readonly') return PRESENCE.has(op.kind)
  const tenant = tenantOf(parseFeedId(op.dot.feed).lane)
  if (tenant !== undefined) return scope === null || scope.includes(tenant)
  if (op.kind === 'quota.moved') return true
  if (role === 'edge') return false
  if (op.actor === NODE) return role === 'anchor' || op.kind === 'cluster.recovered'
  return scope === null || scope.includes('system')
}

/** What a user must be to do it: administrator, or of the project, or the one it is about. */
function power(tables: Readable, op: Op): Need {
  const { actor } = op
  const rights: Right[] = [systemRight(actor)]
  const { project, user, owner } = op.body as { project?: unknown; user?: unknown; owner?: unknown }
  if (OF_PROJECT.has(op.kind) && typeof project === 'string') rights.push(projectRight(project, actor))
  if (OF_USER.has(op.kind) && user === actor) rights.push(accountRight(actor))
  if (op.kind === 'project.created' && owner === actor) rights.push(accountRight(actor))
  return rights.flatMap((right) => supports(tables, op, right))
}

const OF_PROJECT: ReadonlySet<string> = new Set<KindName>([
  'project.metadata-set',
  'project.renamed',
  'project.deleted',
  'member.granted',
  'member.revoked',
  'immutability.set',
])
const OF_USER: ReadonlySet<string> = new Set<KindName>([
  'user.profile-set',
  'user.password-set',
  'user.groups-set',
])

/** The grants of a right that the op had seen. */
function supports(tables: Readable, op: Op, right: Right): Support[] {
  return grantingOf(historyOf(tables, entityOf(right)), right)
    .grants.filter((grant) => hasSeen(op, grant.dot))
    .map((grant) => ({ right, grant: grant.id }))
}
