import { hasSeen, type Op, type OpId } from '../../../src/journal/op.ts'
import type { IneffectiveRow, Right } from '../../../src/journal/rows.ts'
import { formFault, isFounding, Made } from './form.ts'
import { type Formed, type Grant, ineffectiveRow, takenBy } from './formed.ts'
import { allows } from './node-roles.ts'

/** The grants each need may rest on; `free` where somebody may without any right. */
export interface Needs {
  readonly member: readonly Grant[] | 'free'
  readonly account: readonly Grant[] | 'free'
  readonly third: readonly Grant[] | 'free'
  readonly invite: Formed<'invite.created'> | undefined
}

/** All that is fixed for ever about a set of ops: what is in form, what each rests on, how senior it is. */
export interface World {
  /** In form, along causality. */
  readonly ops: readonly Formed[]
  readonly outOfForm: ReadonlyMap<Op, IneffectiveRow>
  readonly made: Made
  readonly grants: ReadonlyMap<Right, readonly Grant[]>
  readonly needs: ReadonlyMap<OpId, Needs>
  readonly ranks: ReadonlyMap<OpId, number>
  /** Those whose right somebody was given, by that right. */
  readonly revocations: ReadonlyMap<Right, readonly Formed[]>
}

export function worldOf(all: readonly Op[]): World {
  const made = new Made()
  const ops: Formed[] = []
  const outOfForm = new Map<Op, IneffectiveRow>()
  const grants = new Map<Right, Grant[]>()
  const needs = new Map<OpId, Needs>()
  const ranks = new Map<OpId, number>()
  const revocations = new Map<Right, Formed[]>()
  for (const one of all) {
    const fault = formFault(one, made)
    if (fault) {
      outOfForm.set(one, ineffectiveRow(one, 'refused', fault, null, null))
      continue
    }
    const op = one as Formed
    ops.push(op)
    made.add(op)
    const founding = isFounding(op, made)
    const { needs: its, rests } = needsOf(op, founding, made, grants)
    const senior = founding || op.kind === 'cluster.recovered'
    const rank = senior ? 0 : rests.reduce((least, grant) => Math.min(least, grant.rank), Infinity)
    needs.set(op.id, its)
    ranks.set(op.id, rank)
    for (const grant of grantsOf(op, rank, made)) listIn(grants, grant.right, grant)
    const taken = takenBy(op)
    if (taken) listIn(revocations, taken, op)
  }
  // What takes a right nobody was ever given is an op like others.
  for (const right of revocations.keys()) if (!grants.has(right)) revocations.delete(right)
  return { ops, outOfForm, made, grants, needs, ranks, revocations }
}

export function listIn<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key)
  if (known) known.push(value)
  else map.set(key, [value])
}

/** @returns its needs, and the grants that say how senior it is */
function needsOf(
  op: Formed,
  founding: boolean,
  made: Made,
  grants: ReadonlyMap<Right, readonly Grant[]>,
): { needs: Needs; rests: readonly Grant[] } {
  const seen = (right: Right) => (grants.get(right) ?? []).filter((grant) => hasSeen(op, grant.op.dot))
  const member = seen(`node:${op.author}#member`).filter((grant) => allows(grant, op))
  const ofNode = op.actor === 'node'
  const account = ofNode ? [] : seen(`user:${op.actor}#account`)
  const { alternatives, free, self } = thirdNeed(op)
  const third = ofNode ? member : [...alternatives.flatMap(seen), ...(self ? account : [])]
  const invite = op.kind === 'node.admitted' && op.body.invite !== null ? made.inviteOf(op) : undefined
  return {
    needs: {
      member: founding ? 'free' : member,
      account: ofNode ? 'free' : account,
      third: ofNode || free || self ? 'free' : third,
      invite,
    },
    rests: third,
  }
}

/** By which rights somebody may do it, whether anybody may, and whether it is the actor's own affair. */
function thirdNeed(op: Formed): { alternatives: Right[]; free: boolean; self: boolean } {
  const system: Right = `user:${op.actor}#system`
  switch (op.kind) {
    case 'user.profile-set':
    case 'user.password-set':
    case 'user.groups-set':
      return { alternatives: [system], free: false, self: op.body.user === op.actor }
    case 'project.created':
      return { alternatives: [system], free: false, self: op.body.owner === op.actor }
    case 'project.metadata-set':
    case 'project.renamed':
    case 'project.deleted':
    case 'member.granted':
    case 'member.revoked':
    case 'immutability.set':
      return {
        alternatives: [system, `member:${op.body.project}/${op.actor}#project`],
        free: false,
        self: false,
      }
    case 'cluster.founded':
    case 'cluster.recovered':
    case 'node.announced':
    case 'node.left':
    case 'quota.moved':
      return { alternatives: [], free: true, self: false }
    default:
      return { alternatives: [system], free: false, self: false }
  }
}

function grantsOf(op: Formed, opRank: number, made: Made): Grant[] {
  const plain = { op, rank: opRank + 1, role: 'anchor', scope: null, admission: undefined } as const
  switch (op.kind) {
    case 'node.admitted': {
      const right: Right = `node:${op.body.node}#member`
      if (op.body.invite === null) return [{ ...plain, right }]
      const { role, scope, approval } = (made.inviteOf(op) as Formed<'invite.created'>).body
      return approval ? [] : [{ ...plain, right, role, scope }]
    }
    case 'node.approved':
      return made.approvedBy(op).map((admission) => {
        const { role, scope } = (made.inviteOf(admission) as Formed<'invite.created'>).body
        return { ...plain, right: `node:${op.body.node}#member`, role, scope, admission }
      })
    case 'user.created': {
      const account: Grant = { ...plain, right: `user:${op.id}#account` }
      return op.body.admin ? [account, { ...plain, right: `user:${op.id}#system` }] : [account]
    }
    case 'user.admin-set':
      return op.body.admin ? [{ ...plain, right: `user:${op.body.user}#system` }] : []
    case 'cluster.recovered':
      return [{ ...plain, right: `user:${op.body.user}#system` }]
    case 'project.created':
      return [{ ...plain, right: `member:${op.id}/${op.body.owner}#project` }]
    case 'member.granted':
      return op.body.role === 1
        ? [{ ...plain, right: `member:${op.body.project}/${op.body.user}#project` }]
        : []
    default:
      return []
  }
}
