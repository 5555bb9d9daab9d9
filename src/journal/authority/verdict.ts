import { byDepthThenId, type Dot, hasSeen } from '../op.ts'
import type { HistoryOp, Need, Refused, Right, Support } from '../rows.ts'
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

/** What becomes of those who rest on a grant. */
interface Backing {
  readonly refused: Refused | null
  /** Revocations that count, and that the grant had not seen. */
  readonly against: readonly HistoryOp[]
}

/** Why an op does not count: the first of its needs none of whose grants holds; null when all do. */
export function judge(
  at: Standing,
  op: { readonly dot: Dot; readonly needs: readonly Need[] },
  matters: Matters = ALL,
): Refused | null {
  return judgeBy(op.dot, op.needs, (support) => backingOf(at, support, matters))
}

/** As `judgeNow`, of many ops: what they rest on is looked at once. Holds as long as no history is another. */
export function judgement(tables: Readable): (op: HistoryOp) => Refused | null {
  const at = standing(tables)
  const known = new Map<Right, Map<string, Backing | null>>()
  const find = (support: Support) => {
    const grants = known.get(support.right) ?? new Map<string, Backing | null>()
    known.set(support.right, grants)
    let backing = grants.get(support.grant)
    if (backing === undefined) grants.set(support.grant, (backing = backingOf(at, support, ALL)))
    return backing
  }
  // Neighbours in a history mostly rest on the same, which stands there once.
  let last: HistoryOp['needs'] | undefined
  let backings: (Backing | null)[][] = []
  return (op) => {
    if (op.needs !== last) backings = op.needs.map((need) => need.map(find))
    last = op.needs
    return (
      judgeBy(op.dot, backings, (backing) => backing) ??
      displacement(tables, op, (other) => other.refused === null)
    )
  }
}

function judgeBy<T>(
  dot: Dot,
  needs: readonly (readonly T[])[],
  backing: (support: T) => Backing | null,
): Refused | null {
  for (const need of needs) {
    const refused = judgeNeed(dot, need, backing)
    if (refused) return refused
  }
  return null
}

function judgeNeed<T>(dot: Dot, need: readonly T[], backing: (support: T) => Backing | null): Refused | null {
  let least: string | undefined
  for (const support of need) {
    const found = backing(support)
    if (!found) continue
    const by = found.refused ? found.refused.beatenBy : leastAgainst(found, dot)
    if (!found.refused && by === null) return null
    if (by !== null && (least === undefined || by < least)) least = by
  }
  return least === undefined ? POWERLESS : { reason: 'revoked', beatenBy: least }
}

/** The least id of the revocations a grant is dead by, as far as they do not accept what stands at `dot`. */
function leastAgainst({ against }: Backing, dot: Dot): string | null {
  let least: string | null = null
  for (const one of against) if ((least === null || one.id < least) && !accepts(one, dot)) least = one.id
  return least
}

/** @returns null where there is no such grant */
function backingOf(at: Standing, { right, grant: id }: Support, matters: Matters): Backing | null {
  const grant = findIn(at.tables, entityOf(right), id)
  if (!grant) return null
  const refused = grantRefusal(at, grant, matters)
  if (refused) return { refused, against: [] }
  const { revocations } = grantingOf(historyOf(at.tables, entityOf(right)), right)
  const against = revocations.filter((one) => !hasSeen(grant, one.dot) && matters(one) && at.isCounting(one))
  return { refused, against }
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
