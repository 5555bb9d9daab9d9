import { isFault } from '../../errors.ts'
import { type Body, isKind, type KindName, kinds } from '../kinds.ts'
import { type Op, parseFeedId } from '../op.ts'
import type { Draft } from '../table-store.ts'
import { catalogReducers } from './catalog.ts'
import { nodeReducers } from './nodes.ts'
import { projectReducers } from './projects.ts'
import { userReducers } from './users.ts'

/** Says why an op changes nothing; undefined when it took effect. */
export type Refusal = string | undefined

/** One kind's rule: pure, it reads and changes rows of the draft and nothing else. */
export type Reducer<K extends KindName> = (draft: Draft, op: Op, body: Body<K>) => Refusal
export type Reducers<K extends KindName = KindName> = { readonly [Name in K]: Reducer<Name> }

const reducers: Reducers = { ...nodeReducers, ...userReducers, ...projectReducers, ...catalogReducers }

/**
 * Applies one op to the tables. Ops arrive in causal order; two that did not know of each other may come in
 * either order and leave the same rows. An op that may not take effect is noted with its reason, never lost.
 */
export function reduce(draft: Draft, op: Op): void {
  const refusal = judge(draft, op)
  if (refusal === undefined) return
  draft.put('ineffective', op.id, {
    kind: op.kind,
    actor: op.actor,
    author: op.author,
    time: op.time,
    reason: refusal,
  })
}

function judge(draft: Draft, op: Op): Refusal {
  if (!isKind(op.kind)) return 'this version does not know the kind'
  const kind = kinds[op.kind]
  if (op.version !== kind.version) return 'this version does not know the kind’s version'
  if (parseFeedId(op.dot.feed).lane !== kind.lane) return 'the kind belongs in another lane'
  const body = kind.body.safeParse(op.body)
  if (!body.success) return 'the body does not fit the kind’s schema'
  // Rows change only when the whole op takes effect.
  const attempt = draft.fork()
  try {
    const refusal = (reducers[op.kind] as Reducer<KindName>)(attempt, op, body.data)
    if (refusal === undefined) draft.take(attempt)
    return refusal
  } catch (error) {
    // A rule is pure, so what it stumbles over here it stumbles over everywhere: no op may stop the journal.
    // A store that cannot be read is this node's own trouble, and goes up.
    if (isFault(error, 'GENESIS_INVALID')) return error.message
    if (error instanceof TypeError || error instanceof RangeError) return 'the rule cannot make sense of it'
    throw error
  }
}
