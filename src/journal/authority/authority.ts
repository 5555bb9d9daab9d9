import { type Frontier, type Op, reaches } from '../op.ts'
import type { HistoryOp, Refused, Right } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { bodyOf } from './bodies.ts'
import { entitiesOf } from './entities.ts'
import { type Changed, refold } from './folds/folds.ts'
import { decide, findIn, historyOf, note, remember } from './history.ts'
import { needsOf, rankOf } from './needs.ts'
import { entityOf, givenBy, grantingOf, takenBy } from './rights.ts'
import {
  chunkKey,
  comesLast,
  decideStage,
  membersOf,
  type Occasion,
  type Stage,
  sparesLast,
  stageOf,
  stageRow,
  takesSomething,
} from './stages.ts'
import { judge, judgeNow, standing, working } from './verdict.ts'

const UNDECIDED: Refused = { reason: 'powerless', beatenBy: null }

/**
 * Takes in one authority op whose kind, lane and schema are right: works out whether it counts, what it changes
 * about others, and makes the rows of what it is about anew. Late revocations leave a review behind for those
 * who rest on the right (review.ts). docs/decisions/0007.
 * @param known the authority feeds as they stood here before this op
 * @returns why it does not count; null where it does
 */
export function applyAuthority(draft: Draft, op: Op, known: Frontier): Refused | null {
  const entities = entitiesOf(op)
  const needs = needsOf(draft, op)
  const taken = takenBy(op)
  const rank = rankOf(draft, needs, op)
  const record = (entity: string): HistoryOp => ({
    id: op.id,
    dot: op.dot,
    depth: op.depth,
    time: op.time,
    author: op.author,
    actor: op.actor,
    kind: op.kind,
    body: op.body,
    past: taken === undefined ? restricted(draft, entity, op.past) : op.past,
    needs,
    rank,
    // Undecided counts as nobody's: that it counts is news to whoever rests on it.
    refused: UNDECIDED,
  })
  for (const entity of entities) remember(draft, entity, record(entity))
  for (const right of new Set(needs.flat().map((support) => support.right))) {
    for (const key of [right, `${right}\u0000${entities[0]}`]) {
      if (!draft.get('dependents', key)) draft.put('dependents', key, {})
    }
  }
  const own = findIn(draft, entities[0] as string, op.id)
  // An announcement older than those kept is over before it begins.
  if (!own) return null
  settle(draft, own, entities, known)
  for (const entity of entities) refresh(draft, entity, new Map([[op.id, 'unlisted']]))
  return findIn(draft, entities[0] as string, op.id)?.refused ?? null
}

/**
 * Makes the rows of an entity anew; every op is listed with the first entity it is about.
 * @param changed ops that are new there, or count no more, or again
 */
export function refresh(draft: Draft, entity: string, changed: Changed): void {
  refold(draft, entity, changed, (op) => entitiesOf(op)[0] === entity)
}

/** Notes an op that has no form: it stands nowhere else. */
export function noteFormless(draft: Draft, op: Op): void {
  note(draft, op, { outcome: 'refused', entity: null, reason: 'form', beatenBy: null })
}

function settle(draft: Draft, op: HistoryOp, entities: readonly string[], known: Frontier): void {
  const stage = stageOf(op)
  if (stage && takesSomething(draft, op)) {
    const last = comesLast(draft, stage, op)
    enlist(draft, stage, entities[0] as string, op)
    if (!last) return restage(draft, stage, 'grown')
    const refused = stage === 'cluster' ? lastOfCluster(draft, op) : judge(standing(draft), op)
    decide(draft, entities, op.id, refused)
    if (!refused) reviewUnlessSeen(draft, op, known)
    return
  }
  decide(draft, entities, op.id, judgeNow(draft, op))
  displaceRivals(draft, op)
  for (const right of givenBy(op)) entitle(draft, right)
}

/**
 * Grants may wait to be decided again, and no review looks at this stage: what they rest on is followed to the
 * revocations, which are decided as soon as they come.
 */
function lastOfCluster(draft: Draft, op: HistoryOp): Refused | null {
  const counting = membersOf(draft, 'cluster').flatMap((one) =>
    one.refused || one.id === op.id ? [] : [one.id],
  )
  const at = working(draft, counting, (one) =>
    stageOf(one) === 'cluster' ? undefined : one.refused === null,
  )
  const refused = judge(at, op)
  if (refused) return refused
  const last = sparesLast(at, op)
  if (last) {
    const row = stageRow(draft, 'cluster')
    draft.put('stages', 'cluster', { ...row, spared: row.spared + 1 })
  }
  return last
}

/** A right that somebody has now been given: what took it before it was known belongs to its stage from here on. */
function entitle(draft: Draft, right: Right): void {
  const entity = entityOf(right)
  const { grants, revocations } = grantingOf(historyOf(draft, entity), right)
  if (right.endsWith('#system')) {
    const row = stageRow(draft, 'cluster')
    const user = entity.slice('user:'.length)
    if (!row.administrators.includes(user)) {
      const administrators = [...row.administrators, user].sort()
      draft.put('stages', 'cluster', { ...row, administrators })
    }
    // Whoever was spared as the last may not be the last any more.
    if (row.spared > 0) restage(draft, 'cluster', 'changed')
  }
  if (grants.length !== 1 || revocations.length === 0) return
  const [first] = revocations
  const stage = first && stageOf(first)
  if (!stage) return
  for (const one of revocations) enlist(draft, stage, entity, one)
  restage(draft, stage, 'changed')
}

/** Puts down whether an op counts, and makes the rows of what it is about anew where that is news. */
function amend(draft: Draft, op: HistoryOp, refused: Refused | null): boolean {
  const entities = entitiesOf(op)
  if (!decide(draft, entities, op.id, refused)) return false
  for (const entity of entities) refresh(draft, entity, new Map([[op.id, 'listed']]))
  return true
}

/** Two admissions by one invite: the first has it, whichever came first here. */
function displaceRivals(draft: Draft, op: HistoryOp): void {
  const body = bodyOf(op, 'node.admitted')
  if (!body || body.invite === null) return
  for (const other of historyOf(draft, entitiesOf(op)[1] as string)) {
    const rival = bodyOf(other, 'node.admitted')
    if (!rival || other.id === op.id) continue
    if (!amend(draft, other, judgeNow(draft, other))) continue
    restage(draft, 'cluster', 'changed')
    for (const right of givenBy(other)) review(draft, right)
  }
}

function enlist(draft: Draft, stage: Stage, entity: string, { id, dot }: HistoryOp): void {
  const row = stageRow(draft, stage)
  const key = chunkKey(stage, row.size)
  draft.put('stageMembers', key, [...(draft.get('stageMembers', key) ?? []), { entity, id }])
  const seq = Math.max(row.frontier[dot.feed] ?? 0, dot.seq)
  draft.put('stages', stage, { ...row, size: row.size + 1, frontier: { ...row.frontier, [dot.feed]: seq } })
}

/** Decides a stage anew; what changes by it is made anew, and those who rest on it are to be reviewed. */
export function restage(draft: Draft, stage: Stage, occasion: Occasion): void {
  const verdicts = decideStage(draft, stage, standing(draft), occasion)
  let spared = 0
  for (const [op, refused] of verdicts) {
    if (refused?.reason === 'last-admin') spared += 1
    if (refused === op.refused || !amend(draft, op, refused)) continue
    const right = takenBy(op)
    if (right) review(draft, right)
  }
  const row = stageRow(draft, stage)
  if (row.spared !== spared) draft.put('stages', stage, { ...row, spared })
}

/** Everything that rests on the right is to be decided again; what a node pushed rests on its membership. */
export function review(draft: Draft, right: Right): void {
  if (draft.get('dependents', right)) draft.put('reviews', right, { after: '' })
  if (right.endsWith('#member'))
    draft.put('reviews', `content-of:${entityOf(right).slice('node:'.length)}`, { after: '' })
}

/** Nothing that is here can rest on what a revocation takes if its author had seen all of it. */
function reviewUnlessSeen(draft: Draft, op: HistoryOp, known: Frontier): void {
  const right = takenBy(op)
  if (!right) return
  const evicted = bodyOf(op, 'node.evicted')
  const cuts = Boolean(evicted?.frontier)
  const sawAll = Object.entries(known).every(
    ([feed, seq]) => feed === op.dot.feed || reaches(op.past, { feed, seq }),
  )
  if ((cuts || !sawAll) && draft.get('dependents', right)) draft.put('reviews', right, { after: '' })
  // Of content, an eviction takes only what its author would have known of, and it is new; unless it cuts.
  if (evicted?.compromised) draft.put('reviews', `content-of:${evicted.node}`, { after: '' })
}

/** Of an author's past, what can ever be asked about in this history: feeds that have a part in it. */
function restricted(draft: Draft, entity: string, past: Frontier): Frontier {
  const kept: Record<string, number> = {}
  for (const { dot } of historyOf(draft, entity)) {
    const seq = past[dot.feed]
    if (seq !== undefined) kept[dot.feed] = seq
  }
  return kept
}
