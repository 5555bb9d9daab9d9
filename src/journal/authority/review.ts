import type { HistoryOp, Refused, Right } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { refresh, restage, review } from './authority.ts'
import { entitiesOf } from './entities.ts'
import { decideAll, historyOf, type Readable } from './history.ts'
import { givenBy } from './rights.ts'
import { type Stage, stageOf, takesSomething } from './stages.ts'
import { judgement } from './verdict.ts'

/** To make the rows of an entity anew takes about as long as to decide so many ops. */
const EFFORT_PER_ENTITY = 8

/**
 * Decides anew ops that rest on a right which was given or taken late. What changes by it is made anew, and whoever
 * rests on that in turn is put down for a review of its own.
 * @param entities in whose histories they are; each is decided at once, or its rows would be made anew for every part
 * @param most after so much effort it is left at that
 * @returns how many of the entities have been gone through, and the effort of it: an op is one
 */
export function reviewDependents(
  draft: Draft,
  right: Right,
  entities: readonly string[],
  most: number,
): { passed: number; effort: number } {
  const stages = new Set<Stage>()
  let [effort, passed] = [0, 0]
  const asked = new Set<string>()
  const tables: Readable = {
    get(table, key) {
      asked.add(key)
      return draft.get(table, key)
    },
  }
  let judge = judgement(tables)
  const rests = whoRestsOn(right)
  for (const entity of entities) {
    if (effort >= most) break
    passed += 1
    effort += EFFORT_PER_ENTITY
    const verdicts = new Map<string, Refused | null>()
    for (const op of historyOf(draft, entity)) {
      if (!rests(op) || entitiesOf(op)[0] !== entity) continue
      effort += 1
      const stage = stageOf(op)
      // Those of the cluster's own stage were decided with the revocation that called for this review.
      if (!stage || !takesSomething(draft, op)) {
        verdicts.set(op.id, judge(op))
      } else if (stage !== 'cluster') stages.add(stage)
    }
    const news = decideAll(draft, entity, verdicts)
    const others = new Set(news.flatMap(({ op }) => entitiesOf(op).slice(1)))
    for (const other of others) decideAll(draft, other, verdicts)
    const changed = new Map(news.map(({ op, counted }) => [op.id, counted ? 'unlisted' : 'listed'] as const))
    for (const one of news.length > 0 ? [entity, ...others] : []) {
      refresh(draft, one, changed)
      if (asked.has(one)) judge = judgement(tables)
    }
    for (const right of new Set(news.flatMap(({ op }) => givenBy(op)))) review(draft, right)
  }
  for (const stage of stages) restage(draft, stage, 'changed')
  return { passed, effort }
}

/** Neighbours in a history mostly rest on the same, which stands there once. */
function whoRestsOn(right: Right): (op: HistoryOp) => boolean {
  let last: HistoryOp['needs'] | undefined
  let rests = false
  return ({ needs }) => {
    if (needs === last) return rests
    last = needs
    rests = needs.some((need) => need.some((support) => support.right === right))
    return rests
  }
}
