import type { HistoryOp, NodeFacts, NodeRow } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import { inviteEntity } from '../entities.ts'
import { historyOf } from '../history.ts'
import { admissionsApproved, type Terms, termsOf } from '../needs.ts'
import { type Lost, NOTHING_LOST } from './fold.ts'

/** A node: the first admission counts, gone stays gone, and only itself says where it is to be found. */
export function foldNode(draft: Draft, id: string, ops: readonly HistoryOp[]): Lost {
  const admitted = ops.find(({ kind }) => kind === 'node.admitted')
  const body = admitted && bodyOf(admitted, 'node.admitted')
  if (!admitted || !body) {
    if (draft.get('nodes', id)) draft.delete('nodes', id)
    return NOTHING_LOST
  }
  const given = ops.filter((op) => gives(draft, op)).map((op) => termsOf(draft, op))[0]
  const announced = ops.findLast(({ kind, author }) => kind === 'node.announced' && author === id)
  const facts = (announced && bodyOf(announced, 'node.announced')?.facts) ?? body.facts
  const { role, scope } = given ?? promised(draft, admitted)
  draft.put('nodes', id, {
    ...(facts as NodeFacts),
    id,
    state: stateOf(ops, given !== undefined),
    role,
    scope,
    admittedAt: admitted.time,
    admittedBy: admitted.author,
    admission: { id: admitted.id, depth: admitted.depth },
    notAfter: termOf(ops),
    announced: announced !== undefined,
  })
  return NOTHING_LOST
}

/** Whether an op that counts gives membership by itself: an admission, or the approval of one that counts. */
function gives(draft: Draft, op: HistoryOp): boolean {
  if (termsOf(draft, op) === undefined) return false
  if (op.kind !== 'node.approved') return true
  return admissionsApproved(draft, op).some(({ refused }) => refused === null)
}

function stateOf(ops: readonly HistoryOp[], belongs: boolean): NodeRow['state'] {
  if (ops.some(({ kind }) => kind === 'node.evicted')) return 'evicted'
  if (ops.some(({ kind }) => kind === 'node.left')) return 'left'
  return belongs ? 'member' : 'pending'
}

/** What it will be once somebody approves. */
function promised(draft: Draft, admission: HistoryOp): Terms {
  const { invite = null } = bodyOf(admission, 'node.admitted') ?? {}
  const [made] = invite === null ? [] : historyOf(draft, inviteEntity(admission.author, invite))
  const body = made && bodyOf(made, 'invite.created')
  return { role: body?.role ?? 'readonly', scope: body?.scope ?? null }
}

/** Until when: as renewed last, or as admitted again since. */
function termOf(ops: readonly HistoryOp[]): number | null {
  const last = ops.findLast(({ kind }) => kind === 'node.renewed' || kind === 'node.admitted')
  const body = last && (bodyOf(last, 'node.renewed') ?? bodyOf(last, 'node.admitted'))
  return body?.notAfter ?? null
}

/** An invite: the first admission has it. */
export function foldInvite(draft: Draft, id: string, ops: readonly HistoryOp[]): Lost {
  const created = ops.find(({ kind }) => kind === 'invite.created')
  const body = created && bodyOf(created, 'invite.created')
  if (!created || !body) {
    if (draft.get('invites', id)) draft.delete('invites', id)
    return NOTHING_LOST
  }
  const admission = ops.find(({ kind }) => kind === 'node.admitted')
  const { invite, verifier, expiresAt, role, scope, approval, days } = body
  draft.put('invites', id, {
    id: invite,
    issuer: created.author,
    created: created.id,
    actor: created.actor,
    verifier,
    expiresAt,
    role,
    scope,
    approval,
    days,
    withdrawn: ops.some(({ kind }) => kind === 'invite.withdrawn'),
    redeemedBy: (admission && bodyOf(admission, 'node.admitted')?.node) ?? null,
  })
  return NOTHING_LOST
}
