import type { HistoryOp, Refused, Right } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { refresh, restage, review } from './authority.ts'
import { entitiesOf } from './entities.ts'
import { decideAll, historyOf, type Readable } from './history.ts'
import { givenBy } from './rights.ts'
import { type Stage, stageOf, takesSomething } from './stages.ts'
import { judgement } from './verdict.ts'

/**
 * Decides anew ops that rest on a right which was given or taken late. What changes by it is made anew, and whoever
 * rests on that in turn is put down for a review of its own.
 * @param entities in whose histories they are; each is decided at once, or its rows would be made anew for every part
 * @param most after so many ops it is left at that
 * @returns how many of the entities have been gone through
 */
export function reviewDependents(
  draft: Draft,
  right: Right,
  entities: readonly string[],
  most: number,
): number {
  const stages = new Set<Stage>()
  let [decided, passed] = [0, 0]
  const asked = new Set<string>()
  const tables: Readable = {
    get(table, key) {
      asked.add(key)
      return draft.get(table, key)
    },
  }
  let judge = judgement(tables)
  for (const entity of entities) {
    if (decided >= most) break
    passed += 1
    const verdicts = new Map<string, Refused | null>()
    for (const op of historyOf(draft, entity)) {
      if (!restsOn(op, right) || entitiesOf(op)[0] !== entity) continue
      decided += 1
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
  return passed
}

function restsOn({ needs }: HistoryOp, right: Right): boolean {
  return needs.some((need) => need.some((support) => support.right === right))
}

/** A right whose dependents wait to be reviewed: the key of `reviews`; what is not of that form is the content's. */
export function isRight(key: string): key is Right {
  return /#(?:member|account|system|project|invite)$/.test(key)
}
