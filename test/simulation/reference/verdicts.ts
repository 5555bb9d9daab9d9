import { byDepthThenId, familyOf, hasSeen, type OpId, parseFeedId, reaches } from '../../../src/journal/op.ts'
import type { Right } from '../../../src/journal/rows.ts'
import { type Formed, type Grant, is, type Refusal } from './formed.ts'
import type { World } from './world.ts'

/** What a revocation leaves standing of what others did by the right it takes. */
export function accepts(revocation: Formed, op: Formed): boolean {
  if (is(revocation, 'node.evicted') && revocation.body.frontier && op.author === revocation.body.node) {
    return reaches(revocation.body.frontier, op.dot)
  }
  return hasSeen(revocation, op.dot)
}

/** Which ops count while a given set of revocations does. */
export class Verdicts {
  readonly #world: World
  readonly #counts: (revocation: Formed) => boolean
  readonly #isCompacted: (op: Formed) => boolean
  readonly #known = new Map<OpId, Refusal | null>()

  /** @param isCompacted whether a snapshot stands for the op where its log is gone */
  constructor(
    world: World,
    counts: (revocation: Formed) => boolean,
    isCompacted: (op: Formed) => boolean = () => false,
  ) {
    this.#world = world
    this.#counts = counts
    this.#isCompacted = isCompacted
  }

  /** Why an authority op does not count; null where it does. */
  refusal(op: Formed): Refusal | null {
    const known = this.#known.get(op.id)
    if (known !== undefined) return known
    const verdict = this.#judge(op)
    this.#known.set(op.id, verdict)
    return verdict
  }

  /** Whether somebody has the right, whoever asks. */
  isHeld(right: Right): boolean {
    const revocations = this.#of(right)
    return (this.#world.grants.get(right) ?? []).some(
      (grant) => this.#stands(grant) && revocations.every((one) => hasSeen(grant.op, one.dot)),
    )
  }

  /** Why an op of a catalog, verdict or trail lane does not count. */
  contentRefusal(op: Formed): Refusal | null {
    const member = this.#world.needs.get(op.id)?.member as readonly Grant[]
    // Let in by what a fork took back, when a snapshot stood for it already.
    if (!this.#world.grants.has(`node:${op.author}#member`) && this.#isCompacted(op)) return null
    const killers: OpId[] = []
    for (const grant of member) {
      if (!this.#stands(grant)) continue
      const deadBy = this.#of(grant.right).filter((one) => !hasSeen(grant.op, one.dot) && this.#cuts(one, op))
      if (deadBy.length === 0) return null
      killers.push(...deadBy.map(({ id }) => id))
    }
    if (killers.length > 0) return { reason: 'evicted', beatenBy: least(killers) }
    return { reason: 'powerless', beatenBy: null }
  }

  #cuts(revocation: Formed, op: Formed): boolean {
    if (hasSeen(op, revocation.dot)) return true
    if (!is(revocation, 'node.evicted') || !revocation.body.compromised) return false
    if (reaches(revocation.body.frontier ?? {}, op.dot)) return false
    const { lane } = parseFeedId(op.dot.feed)
    const known = this.#world.ops.filter((one) => hasSeen(revocation, one.dot))
    const { node, frontier } = revocation.body
    return !known.some(
      (one) =>
        is(one, 'lane.snapshotted') &&
        one.body.lane === lane &&
        reaches(one.body.frontier, op.dot) &&
        (one.author !== node ||
          reaches(frontier ?? {}, one.dot) ||
          known.some(
            (word) => is(word, 'lane.attested') && word.body.snapshot === one.id && word.author !== node,
          )),
    )
  }

  #of(right: Right): readonly Formed[] {
    return (this.#world.revocations.get(right) ?? []).filter(this.#counts)
  }

  #judge(op: Formed): Refusal | null {
    const { member, account, third, invite } = this.#world.needs.get(op.id) as NonNullable<
      ReturnType<World['needs']['get']>
    >
    for (const need of [member, account, third]) {
      const failure = need === 'free' ? null : this.#failure(op, need)
      if (failure) return failure
    }
    const inviteFault = invite && this.refusal(invite)
    if (inviteFault)
      return {
        reason: inviteFault.beatenBy === null ? 'powerless' : 'revoked',
        beatenBy: inviteFault.beatenBy,
      }
    if (is(op, 'node.admitted') && invite) {
      const first = this.#admissionsBefore(op, invite).find((one) => this.refusal(one) === null)
      if (first) return { reason: 'invite-used', beatenBy: first.id }
    }
    return null
  }

  /** Of other nodes by the same invite, those that come first. */
  #admissionsBefore(op: Formed<'node.admitted'>, invite: Formed): Formed[] {
    return this.#world.ops
      .filter(
        (one) =>
          is(one, 'node.admitted') &&
          one.body.invite === op.body.invite &&
          one.body.node !== op.body.node &&
          byDepthThenId(one, op) < 0 &&
          this.#world.needs.get(one.id)?.invite === invite,
      )
      .sort(byDepthThenId)
  }

  #failure(op: Formed, need: readonly Grant[]): Refusal | null {
    const beaten: OpId[] = []
    for (const grant of need) {
      const fault = this.#faultOf(grant)
      if (fault) {
        if (fault.beatenBy !== null) beaten.push(fault.beatenBy)
        continue
      }
      const deadBy = this.#of(grant.right).filter((one) => !hasSeen(grant.op, one.dot) && !accepts(one, op))
      if (deadBy.length === 0) return null
      beaten.push(least(deadBy.map(({ id }) => id)))
    }
    return beaten.length > 0
      ? { reason: 'revoked', beatenBy: least(beaten) }
      : { reason: 'powerless', beatenBy: null }
  }

  #stands(grant: Grant): boolean {
    return this.#faultOf(grant) === null
  }

  #faultOf({ op, admission }: Grant): Refusal | null {
    return this.refusal(op) ?? (admission ? this.refusal(admission) : null)
  }
}

export function isContent(op: Formed): boolean {
  return familyOf(parseFeedId(op.dot.feed).lane) !== 'authority'
}

function least(ids: readonly OpId[]): OpId {
  return ids.reduce((a, b) => (b < a ? b : a))
}
