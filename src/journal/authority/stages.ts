import { byDepthThenId, hasSeen, reaches } from '../op.ts'
import type { HistoryOp, Refused, StageRow } from '../rows.ts'
import { findIn, historyOf, type Readable } from './history.ts'
import { accountRight, entityOf, grantingOf, systemRight, takenBy } from './rights.ts'
import { holdsNow, judge, type Standing, type Working, working } from './verdict.ts'

/** Revocations are decided together, in stages: docs/decisions/0007, step 2. */
export type Stage = 'cluster' | `project:${string}`

/** The stage that decides a revocation; undefined for any other op. */
export function stageOf(op: HistoryOp): Stage | undefined {
  const right = takenBy(op)
  if (right === undefined) return undefined
  const entity = entityOf(right)
  return entity.startsWith('member:') ? `project:${entity.slice('member:'.length).split('/')[0]}` : 'cluster'
}

/** Members of a stage stand in chunks, so that one more costs no rewriting of all. */
const CHUNK = 128
const EMPTY: StageRow = { size: 0, frontier: {}, administrators: [], spared: 0 }

export function stageRow(tables: Readable, stage: Stage): StageRow {
  return tables.get('stages', stage) ?? EMPTY
}

export function chunkKey(stage: Stage, index: number): string {
  return `${stage}/${Math.floor(index / CHUNK)}`
}

export function membersOf(tables: Readable, stage: Stage): HistoryOp[] {
  const { size } = stageRow(tables, stage)
  const members: HistoryOp[] = []
  for (let index = 0; index < size; index += CHUNK) {
    for (const { entity, id } of tables.get('stageMembers', chunkKey(stage, index)) ?? []) {
      const op = findIn(tables, entity, id)
      if (op) members.push(op)
    }
  }
  return members
}

/** Whether the op had seen everything the stage has decided: then it comes last, and changes none of that. */
export function comesLast(tables: Readable, stage: Stage, op: HistoryOp): boolean {
  const { frontier } = stageRow(tables, stage)
  return Object.entries(frontier).every(([feed, seq]) =>
    feed === op.dot.feed ? seq <= op.dot.seq : reaches(op.past, { feed, seq }),
  )
}

/** Why a stage is decided anew. */
export type Occasion =
  /** One more of its own: what all later ones had seen stays as it was decided. */
  | 'grown'
  /** Something it rests on is another. */
  | 'changed'

/**
 * Decides a stage anew.
 * @param given refusals that stand, for what is no member of this stage
 * @returns the refusal of every member, null where it counts
 */
export function decideStage(
  tables: Readable,
  stage: Stage,
  given: Standing,
  occasion: Occasion,
): ReadonlyMap<HistoryOp, Refused | null> {
  const members = membersOf(tables, stage).sort(byDepthThenId)
  const settled = occasion === 'grown' ? settledOf(members) : 0
  const verdicts = new Map(members.slice(0, settled).map((op) => [op, op.refused]))
  const counting = members.slice(0, settled).flatMap(({ id, refused }) => (refused ? [] : [id]))
  const ids = new Set(members.map(({ id }) => id))
  const at = working(tables, counting, (op) =>
    ids.has(op.id) ? undefined : stageOf(op) !== stage && given.isCounting(op),
  )
  for (const op of inOrder(members.slice(settled))) {
    const refused =
      judge(at, op, (one) => !ids.has(one.id) || mattersTo(op, one)) ??
      (stage === 'cluster' ? sparesLast(at, op) : null)
    verdicts.set(op, refused)
    if (!refused) at.count(op.id, true)
  }
  return verdicts
}

/** Among equals all revocations stand; only a senior's that was not known takes a junior's away. */
export function mattersTo(op: HistoryOp, other: HistoryOp): boolean {
  return hasSeen(op, other.dot) || (other.rank < op.rank && !hasSeen(other, op.dot))
}

/** Whether an administrator's right may rest on what the revocation takes. */
export function reachesAdministrators(tables: Readable, op: HistoryOp): boolean {
  if (op.kind === 'node.evicted') return true
  const user = takenBy(op)?.slice('user:'.length).split('#')[0]
  return op.kind !== 'node.left' && stageRow(tables, 'cluster').administrators.includes(user as string)
}

/**
 * A removal that would leave nobody to decide anything, where there was somebody, does not count.
 * @param at what counts so far; as it was when this returns
 */
export function sparesLast(at: Working, op: HistoryOp): Refused | null {
  if (!reachesAdministrators(at.tables, op)) return null
  const { administrators } = stageRow(at.tables, 'cluster')
  const anyone = () =>
    administrators.some((one) => holdsNow(at, systemRight(one)) && holdsNow(at, accountRight(one)))
  if (!anyone()) return null
  at.count(op.id, true)
  const left = anyone()
  at.count(op.id, false)
  return left ? null : { reason: 'last-admin', beatenBy: null }
}

/**
 * The order in which revocations are decided: each waits for those it had seen and for concurrent ones that are
 * senior; where all wait for each other, for those it had seen alone.
 */
function inOrder(members: readonly HistoryOp[]): HistoryOp[] {
  const left = [...members].sort(bySeniority)
  const waits = left.map((op) => ({
    op,
    all: left.filter((other) => mattersTo(op, other)).length,
    seen: left.filter((other) => hasSeen(op, other.dot)).length,
  }))
  const order: HistoryOp[] = []
  while (waits.length > 0) {
    const free = waits.findIndex(({ all }) => all === 0)
    const at = free >= 0 ? free : waits.findIndex(({ seen }) => seen === 0)
    const [next] = waits.splice(at, 1)
    if (!next) return order
    order.push(next.op)
    for (const one of waits) {
      if (mattersTo(one.op, next.op)) one.all -= 1
      if (hasSeen(one.op, next.op.dot)) one.seen -= 1
    }
  }
  return order
}

function bySeniority(a: HistoryOp, b: HistoryOp): number {
  return a.rank - b.rank || byDepthThenId(a, b)
}

/**
 * Parts off what all later ones had seen: nothing that comes after can change it.
 * @param members by depth
 * @returns how many from the front are settled, as far as they were decided before
 */
function settledOf(members: readonly HistoryOp[]): number {
  const newest = new Map<string, number>()
  const prefixes = members.map(({ dot }) => {
    newest.set(dot.feed, Math.max(newest.get(dot.feed) ?? 0, dot.seq))
    return new Map(newest)
  })
  // Of each feed, how much all that come later had seen.
  const least = new Map<string, number>()
  for (let cut = members.length - 1; cut > 0; cut--) {
    const [before, op] = [members[cut - 1], members[cut]] as [HistoryOp, HistoryOp]
    for (const feed of newest.keys()) {
      if (feed === op.dot.feed) continue
      least.set(feed, Math.min(least.get(feed) ?? Number.POSITIVE_INFINITY, op.past[feed] ?? 0))
    }
    if (before.depth === op.depth) continue
    const prefix = [...(prefixes[cut - 1] ?? [])]
    if (prefix.every(([feed, seq]) => seq <= (least.get(feed) ?? Number.POSITIVE_INFINITY))) return cut
  }
  return 0
}

/** Whether the right an op takes is one that somebody was ever given. */
export function takesSomething(tables: Readable, op: HistoryOp): boolean {
  const right = takenBy(op)
  return right !== undefined && grantingOf(historyOf(tables, entityOf(right)), right).grants.length > 0
}
