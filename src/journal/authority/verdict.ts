import { byDepthThenId, type Dot, hasSeen } from '../op.ts'
import type { HistoryOp, Need, Refused, Right } from '../rows.ts'
import { bodyOf } from './bodies.ts'
import { inviteEntity } from './entities.ts'
import { findIn, historyOf, type Readable } from './history.ts'
import { admissionsApproved, termsOf } from './needs.ts'
import { accepts, entityOf, grantingOf } from './rights.ts'

/** Which revocations count, and with them which grants: as put down, or as they are being worked out. */
export interface Standing {
  readonly tables: Readable
  /** Whether a revocation is to be reckoned with at all. */
  isCounting(revocation: HistoryOp): boolean
  /** Why a grant does not count; null when it does. `matters` is as for `judge`. */
  refusalOf(grant: HistoryOp, matters: Matters): Refused | null
}

/** Of the revocations that count, those that may stand against an op. */
export type Matters = (revocation: HistoryOp) => boolean

/** As the histories have it. */
export function standing(tables: Readable): Standing {
  return { tables, isCounting: (op) => op.refused === null, refusalOf: (op) => op.refused }
}

/** Why an op that no stage decides does not count, as the histories have it. */
export function judgeNow(tables: Readable, op: HistoryOp): Refused | null {
  return judge(standing(tables), op) ?? displacement(tables, op, (other) => other.refused === null)
}

/** Which revocations count is being worked out: grants count as follows from those found so far. */
export interface Working extends Standing {
  /** Reckons with a revocation from here on, or no longer. */
  count(id: string, counts: boolean): void
}

/**
 * @param counting ids of the revocations that count so far
 * @param others whether a revocation that is not being worked out counts; undefined where it is
 */
export function working(
  tables: Readable,
  counting: Iterable<string>,
  others: (revocation: HistoryOp) => boolean | undefined,
): Working {
  const found = new Set(counting)
  // A grant rests on grants that rest on grants, by several ways: each is judged once for what counts now.
  let known = new Map<Matters, Map<string, Refused | null>>()
  const at: Working = {
    tables,
    isCounting: (op) => others(op) ?? found.has(op.id),
    refusalOf(grant, matters) {
      const refusals = known.get(matters) ?? new Map<string, Refused | null>()
      known.set(matters, refusals)
      const before = refusals.get(grant.id)
      if (before !== undefined) return before
      const refused =
        judge(at, grant, matters) ??
        displacement(tables, grant, (other) => judge(at, other, matters) === null)
      refusals.set(grant.id, refused)
      return refused
    },
    count(id, counts) {
      if (counts) found.add(id)
      else found.delete(id)
      known = new Map()
    },
  }
  return at
}

const POWERLESS: Refused = { reason: 'powerless', beatenBy: null }
const ALL = () => true

/** Why an op does not count: the first of its needs none of whose grants holds; null when all do. */
export function judge(
  at: Standing,
  op: { readonly dot: Dot; readonly needs: readonly Need[] },
  matters: Matters = ALL,
): Refused | null {
  for (const need of op.needs) {
    const refused = judgeNeed(at, op.dot, need, matters)
    if (refused) return refused
  }
  return null
}

function judgeNeed(at: Standing, dot: Dot, need: Need, matters: Matters): Refused | null {
  let least: string | undefined
  for (const { right, grant: id } of need) {
    const grant = findIn(at.tables, entityOf(right), id)
    if (!grant) continue
    const refused = grantRefusal(at, grant, matters)
    const by = refused ? refused.beatenBy : takenBy(at, right, grant, dot, matters)
    if (!refused && by === null) return null
    if (by !== null && (least === undefined || by < least)) least = by
  }
  return least === undefined ? POWERLESS : { reason: 'revoked', beatenBy: least }
}

/** An approval gives what it does only with an admission it approves. */
function grantRefusal(at: Standing, grant: HistoryOp, matters: Matters): Refused | null {
  const refused = at.refusalOf(grant, matters)
  if (refused || grant.kind !== 'node.approved') return refused
  let why: Refused | null = POWERLESS
  for (const admission of admissionsApproved(at.tables, grant)) {
    const no = at.refusalOf(admission, matters)
    if (!no) return null
    if (no.beatenBy !== null && (why.beatenBy === null || no.beatenBy < why.beatenBy)) why = no
  }
  return why
}

/** The least id of the revocations a grant is dead by, as far as they do not accept what stands at `dot`. */
function takenBy(at: Standing, right: Right, grant: HistoryOp, dot: Dot, matters: Matters): string | null {
  let least: string | null = null
  for (const one of grantingOf(historyOf(at.tables, entityOf(right)), right).revocations) {
    if (least !== null && one.id >= least) continue
    if (hasSeen(grant, one.dot) || accepts(one, dot) || !matters(one) || !at.isCounting(one)) continue
    least = one.id
  }
  return least
}

/** Whether somebody has a right now: by a grant that counts and had seen all that counts against it. */
export function holdsNow(at: Standing, right: Right): boolean {
  const { grants, revocations } = grantingOf(historyOf(at.tables, entityOf(right)), right)
  return grants.some(
    (grant) =>
      givesMembership(at.tables, grant) &&
      grantRefusal(at, grant, ALL) === null &&
      revocations.every((one) => hasSeen(grant, one.dot) || !at.isCounting(one)),
  )
}

function givesMembership(tables: Readable, grant: HistoryOp): boolean {
  return !grant.kind.startsWith('node.') || termsOf(tables, grant) !== undefined
}

/** Why an admission gives way: another one of the same invite comes first. `counts` says which do at all. */
export function displacement(
  tables: Readable,
  admission: HistoryOp,
  counts: (other: HistoryOp) => boolean,
): Refused | null {
  const body = bodyOf(admission, 'node.admitted')
  if (!body?.invite) return null
  for (const other of historyOf(tables, inviteEntity(admission.author, body.invite))) {
    const rival = bodyOf(other, 'node.admitted')
    if (!rival || rival.node === body.node) continue
    if (byDepthThenId(other, admission) > 0) return null
    if (counts(other)) return { reason: 'invite-used', beatenBy: other.id }
  }
  return null
}
