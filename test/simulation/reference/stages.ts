import { byDepthThenId, hasSeen, type OpId } from '../../../src/journal/op.ts'
import type { Right } from '../../../src/journal/rows.ts'
import { type Formed, is, type Refusal } from './formed.ts'
import { Verdicts } from './verdicts.ts'
import { listIn, type World } from './world.ts'

/** Step 2: the revocations that are decided by themselves, each with why it does not count, or null. */
export function decideRevocations(world: World): ReadonlyMap<OpId, Refusal | null> {
  const stages = new Map<string, Formed[]>([['', []]])
  for (const [right, revocations] of world.revocations) {
    for (const one of revocations) listIn(stages, stageOf(right), one)
  }
  const decided = new Map<OpId, Refusal | null>()
  // The stage of members, accounts and administrators is the first; those of projects do not touch each other.
  for (const revocations of stages.values()) decideStage(world, revocations, decided)
  return decided
}

function stageOf(right: Right): string {
  return /^member:(.*)\/.*#project$/.exec(right)?.[1] ?? ''
}

function decideStage(world: World, revocations: readonly Formed[], decided: Map<OpId, Refusal | null>): void {
  const before = new Set(decided.keys())
  const rank = (op: Formed) => world.ranks.get(op.id) as number
  for (const op of inOrder(revocations, rank)) {
    const counted = new Verdicts(world, (one) => {
      if (decided.get(one.id) !== null) return false
      return before.has(one.id) || hasSeen(op, one.dot) || rank(one) < rank(op)
    })
    const refusal = counted.refusal(op) ?? (takesLastAdmin(world, op, decided) ? LAST : null)
    decided.set(op.id, refusal)
  }
}

const LAST: Refusal = { reason: 'last-admin', beatenBy: null }

/**
 * One waits for those it had seen and for concurrent ones senior to it; of those that wait for nothing the least is
 * next; where all wait for each other, of those that wait for nothing they had seen.
 */
function inOrder(revocations: readonly Formed[], rank: (op: Formed) => number): Formed[] {
  const left = [...revocations].sort((a, b) => compare(rank(a), rank(b)) || byDepthThenId(a, b))
  const order: Formed[] = []
  while (left.length > 0) {
    const rested = (op: Formed) => !left.some((other) => hasSeen(op, other.dot))
    const senior = (op: Formed) =>
      !left.some((other) => rank(other) < rank(op) && !hasSeen(other, op.dot) && !hasSeen(op, other.dot))
    const free = left.find((op) => rested(op) && senior(op)) ?? left.find(rested)
    if (!free) throw new Error('what everybody had seen is in a circle')
    order.push(...left.splice(left.indexOf(free), 1))
  }
  return order
}

/** Also for ranks of Infinity, whose difference is no number. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function takesLastAdmin(world: World, op: Formed, decided: ReadonlyMap<OpId, Refusal | null>): boolean {
  if (!is(op, 'user.deleted', 'user.admin-set', 'node.evicted')) return false
  const found = (one: Formed) => decided.get(one.id) === null
  return !hasAdmin(world, (one) => one === op || found(one)) && hasAdmin(world, found)
}

function hasAdmin(world: World, counts: (revocation: Formed) => boolean): boolean {
  const verdicts = new Verdicts(world, counts)
  for (const right of world.grants.keys()) {
    const user = /^user:(.*)#system$/.exec(right)?.[1]
    if (user !== undefined && verdicts.isHeld(right) && verdicts.isHeld(`user:${user}#account`)) return true
  }
  return false
}
