import type { Right } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { refresh, restage, review } from './authority.ts'
import { entitiesOf } from './entities.ts'
import { decide, findIn } from './history.ts'
import { givenBy } from './rights.ts'
import { type Stage, stageOf, takesSomething } from './stages.ts'
import { displacement, judge, standing } from './verdict.ts'

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
  const at = standing(draft)
  const stages = new Set<Stage>()
  for (const { id, entities } of dependents) {
    const op = findIn(draft, entities[0] as string, id)
    if (!op) continue
    const stage = stageOf(op)
    if (stage && takesSomething(draft, op)) {
      // Those of the cluster's own stage were decided with the revocation that called for this review.
      if (stage !== 'cluster') stages.add(stage)
      continue
    }
    const refused = judge(at, op) ?? displacement(draft, op, (other) => other.refused === null)
    if (!decide(draft, entities, id, refused)) continue
    for (const entity of entitiesOf(op)) refresh(draft, entity)
    for (const right of givenBy(op)) review(draft, right)
  }
  for (const stage of stages) restage(draft, stage, 'changed')
}

/** A right whose dependents wait to be reviewed: the key of `reviews`; what is not of that form is the content's. */
export function isRight(key: string): key is Right {
  return /#(?:member|account|system|project|invite)$/.test(key)
}
