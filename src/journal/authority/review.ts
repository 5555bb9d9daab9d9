import type { Refused, Right } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { refresh, restage, review } from './authority.ts'
import { entitiesOf } from './entities.ts'
import { decideAll, historyOf } from './history.ts'
import { givenBy } from './rights.ts'
import { type Stage, stageOf, takesSomething } from './stages.ts'
import { judgeNow } from './verdict.ts'

/** An op that rests on a right, as the table of dependents has it. */
export interface Dependent {
  readonly id: string
  readonly entities: readonly string[]
}

/**
 * Decides anew some of the ops that rest on a right which was given or taken late. What changes by it is made
 * anew, and whoever rests on that in turn is put down for a review of its own.
 */
export function reviewDependents(draft: Draft, dependents: readonly Dependent[]): void {
  const stages = new Set<Stage>()
  const byEntity = Map.groupBy(dependents, ({ entities }) => entities[0] as string)
  for (const [entity, group] of byEntity) {
    const ids = new Set(group.map(({ id }) => id))
    const verdicts = new Map<string, Refused | null>()
    for (const op of historyOf(draft, entity)) {
      if (!ids.has(op.id)) continue
      const stage = stageOf(op)
      // Those of the cluster's own stage were decided with the revocation that called for this review.
      if (!stage || !takesSomething(draft, op)) {
        verdicts.set(op.id, judgeNow(draft, op))
      } else if (stage !== 'cluster') stages.add(stage)
    }
    const news = decideAll(draft, entity, verdicts)
    const others = new Set(news.flatMap((op) => entitiesOf(op).slice(1)))
    for (const other of others) decideAll(draft, other, verdicts)
    for (const one of news.length > 0 ? [entity, ...others] : []) refresh(draft, one)
    for (const right of new Set(news.flatMap(givenBy))) review(draft, right)
  }
  for (const stage of stages) restage(draft, stage, 'changed')
}

/** A right whose dependents wait to be reviewed: the key of `reviews`; what is not of that form is the content's. */
export function isRight(key: string): key is Right {
  return /#(?:member|account|system|project|invite)$/.test(key)
}
