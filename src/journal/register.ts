import { byDepthThenId, hasSeen, type Op } from './op.ts'
import type { Claim, Register, Sibling } from './rows.ts'

/** What of an op a register keeps or asks. */
type Writing = Pick<Op, 'id' | 'dot' | 'depth' | 'actor' | 'time' | 'past'>

function sibling<T>(op: Writing, value: T): Sibling<T> {
  return { id: op.id, dot: op.dot, depth: op.depth, actor: op.actor, time: op.time, value }
}

/** The register after `op` wrote `value`: what the op had seen gives way, what it had not stays beside it. */
export function assign<T>(register: Register<T>, op: Writing, value: T): Register<T> {
  if (register.some(({ dot }) => comesLater(dot, op.dot))) return register
  return [...erase(register, op), sibling(op, value)].sort((a, b) => byDepthThenId(b, a))
}

/** The register after `op` removed what it had seen. */
export function erase<T>(register: Register<T>, op: Writing): Register<T> {
  return register.filter((one) => !hasSeen(op, one.dot))
}

/** Of one entry, whose ops know of those before them, and may yet be told in any order: they have one depth. */
function comesLater(a: Writing['dot'], b: Writing['dot']): boolean {
  return a.feed === b.feed && a.seq === b.seq && a.index > b.index
}

/** The winning value; undefined when nothing lives. */
export function winner<T>(register: Register<T>): T | undefined {
  return register[0]?.value
}

/** Whether it says several things: sites that wrote the same unaware of each other agree. */
export function isSplit<T>(register: Register<T>): boolean {
  return register.some((one) => one.value !== register[0]?.value)
}

/** Restrict-wins for a flag that opens something: true only while every unseen write says so. */
export function allAgree(register: Register<boolean>): boolean {
  return register.length > 0 && register.every((one) => one.value)
}

/** The claims with one more, the holder first: lowest depth, then lowest id of the op that claims. */
export function addClaim(claims: readonly Claim[], claim: Claim): readonly Claim[] {
  return [...claims.filter((one) => one.id !== claim.id), claim].sort((a, b) =>
    byDepthThenId({ depth: a.depth, id: claimingOp(a) }, { depth: b.depth, id: claimingOp(b) }),
  )
}

/** The op that claims it: a renaming, else the one that made the claimant. */
export function claimingOp({ id, op = id }: Claim): string {
  return op
}

export function dropClaim(claims: readonly Claim[], id: string): readonly Claim[] {
  return claims.filter((one) => one.id !== id)
}
