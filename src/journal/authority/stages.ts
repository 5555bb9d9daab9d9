import { byDepthThenId, hasSeen, reaches } from '../op.ts'
import type { HistoryOp, Refused, StageRow } from '../rows.ts'
import { findIn, historyOf, type Readable } from './history.ts'
import { accountRight, entityOf, grantingOf, systemRight, takenBy } from './rights.ts'
import { displacement, holdsNow, judge, type Standing } from './verdict.ts'

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

/**
 * Decides a whole stage anew.
 * @param given refusals that stand, for what is no member of this stage
 * @returns the refusal of every member, null where it counts
 */
export function decideStage(
  tables: Readable,
  stage: Stage,
  given: Standing,
): ReadonlyMap<HistoryOp, Refused | null> {
  const members = membersOf(tables, stage)
  const verdicts = new Map<HistoryOp, Refused | null>()
  const counting = new Set<string>()
  const ids = new Set(members.map(({ id }) => id))
  const at = working(tables, stage, given, ids, counting)
  for (const op of inOrder(members)) {
    const refused =
      judge(at, op, (one) => !ids.has(one.id) || mattersTo(op, one)) ??
      (stage === 'cluster' ? sparesLast(at, op, counting) : null)
    verdicts.set(op, refused)
    if (!refused) counting.add(op.id)
  }
  return verdicts
}

/** Among equals all revocations stand; only a senior's that was not known takes a junior's away. */
export function mattersTo(op: HistoryOp, other: HistoryOp): boolean {
  return hasSeen(op, other.dot) || (other.rank < op.rank && !hasSeen(other, op.dot))
}

/** Who counts while the stage is being decided: its own members as far as found, the grants by what follows from that. */
function working(
  tables: Readable,
  stage: Stage,
  given: Standing,
  ids: ReadonlySet<string>,
  counting: ReadonlySet<string>,
): Standing {
  const at: Standing = {
    tables,
    isCounting: (op) =>
      ids.has(op.id) ? counting.has(op.id) : stageOf(op) !== stage && given.isCounting(op),
    refusalOf: (grant, matters) =>
      judge(at, grant, matters) ?? displacement(tables, grant, (other) => judge(at, other, matters) === null),
  }
  return at
}

/**
 * A removal that would leave nobody to decide anything, where there was somebody, does not count.
 * @param counting the ids of what counts so far; as it was when this returns
 */
export function sparesLast(at: Standing, op: HistoryOp, counting: Set<string>): Refused | null {
  if (op.kind === 'node.left') return null
  const { administrators } = stageRow(at.tables, 'cluster')
  const user = takenBy(op)?.slice('user:'.length).split('#')[0]
  if (op.kind !== 'node.evicted' && !administrators.includes(user as string)) return null
  const anyone = () =>
    administrators.some((one) => holdsNow(at, systemRight(one)) && holdsNow(at, accountRight(one)))
  if (!anyone()) return null
  counting.add(op.id)
  const left = anyone()
  counting.delete(op.id)
  return left ? null : { reason: 'last-admin', beatenBy: null }
}

/** After all it had seen; of those that are free the most senior, then by (depth, id). */
function inOrder(members: readonly HistoryOp[]): HistoryOp[] {
  const sorted = [...members].sort(byDepthThenId)
  const waiting = new Map<HistoryOp, number>()
  const unlocks = new Map<HistoryOp, HistoryOp[]>()
  const heads = new Map<string, HistoryOp[]>()
  for (const op of sorted) {
    let blockers = 0
    for (const [, line] of heads) {
      // The newest of that feed it had seen; what came before it there comes before that.
      const newest = line.findLast((other) => hasSeen(op, other.dot))
      if (!newest) continue
      blockers += 1
      unlocks.set(newest, [...(unlocks.get(newest) ?? []), op])
    }
    waiting.set(op, blockers)
    heads.set(op.dot.feed, [...(heads.get(op.dot.feed) ?? []), op])
  }
  const free = sorted.filter((op) => waiting.get(op) === 0)
  const order: HistoryOp[] = []
  while (free.length > 0) {
    free.sort((a, b) => b.rank - a.rank || byDepthThenId(b, a))
    const op = free.pop() as HistoryOp
    order.push(op)
    for (const next of unlocks.get(op) ?? []) {
      const left = (waiting.get(next) as number) - 1
      waiting.set(next, left)
      if (left === 0) free.push(next)
    }
  }
  return order
}

/** Whether the right an op takes is one that somebody was ever given. */
export function takesSomething(tables: Readable, op: HistoryOp): boolean {
  const right = takenBy(op)
  return right !== undefined && grantingOf(historyOf(tables, entityOf(right)), right).grants.length > 0
}
