import { continues, sameNeeds } from '../history-bytes.ts'
import { byDepthThenId } from '../op.ts'
import type { HistoryOp, IneffectiveRow, Refused } from '../rows.ts'
import type { Draft } from '../table-store.ts'

const NOTHING: readonly HistoryOp[] = []
/** What a node says of itself it says at every start, and only the last counts: older ones are let go. */
const ANNOUNCEMENTS_KEPT = 8

export type Readable = Pick<Draft, 'get'>

/** What happened to an entity, in (depth, id) order, which causality never runs against. */
export function historyOf(tables: Readable, entity: string): readonly HistoryOp[] {
  return tables.get('history', entity) ?? NOTHING
}

export function findIn(tables: Readable, entity: string, id: string): HistoryOp | undefined {
  return historyOf(tables, entity).find((op) => op.id === id)
}

/** Adds an op to an entity's history. */
export function remember(draft: Draft, entity: string, op: HistoryOp): void {
  const before = historyOf(draft, entity)
  const last = before.at(-1)
  // Mostly the same, and then in memory once.
  const history = [...before, last && sameNeeds(last.needs, op.needs) ? { ...op, needs: last.needs } : op]
  if (last && byDepthThenId(last, op) > 0) history.sort(byDepthThenId)
  else continues(history, before)
  draft.put('history', entity, op.kind === 'node.announced' ? withoutOldNews(history, op.author) : history)
}

/** Puts down whether an op counts, in every history it stands in. @returns whether that is news */
export function decide(
  draft: Draft,
  entities: readonly string[],
  id: string,
  refused: Refused | null,
): boolean {
  const verdicts = new Map([[id, refused]])
  return entities.map((entity) => decideAll(draft, entity, verdicts).length > 0).includes(true)
}

/** An op about which it is news whether it counts. */
export interface Decided {
  readonly op: HistoryOp
  /** Whether it did until now. */
  readonly counted: boolean
}

/** Puts down which ops of an entity count. @returns those about which that is news */
export function decideAll(
  draft: Draft,
  entity: string,
  verdicts: ReadonlyMap<string, Refused | null>,
): readonly Decided[] {
  const news: Decided[] = []
  const before = historyOf(draft, entity)
  const history = before.map((op) => {
    const refused = verdicts.get(op.id)
    if (refused === undefined || sameRefusal(op.refused, refused)) return op
    const decided = { ...op, refused }
    news.push({ op: decided, counted: op.refused === null })
    return decided
  })
  if (news.length === 0) return news
  continues(history, before)
  draft.put('history', entity, history)
  return news
}

function sameRefusal(a: Refused | null, b: Refused | null): boolean {
  return a?.reason === b?.reason && a?.beatenBy === b?.beatenBy
}

/**
 * Notes that an op does not count, or takes the note back.
 * @param isUnlisted there is no note of it yet: what would be looked for is not there
 */
export function note(
  draft: Draft,
  op: Pick<HistoryOp, 'id' | 'kind' | 'actor' | 'author' | 'time'>,
  what: Pick<IneffectiveRow, 'outcome' | 'entity' | 'reason' | 'beatenBy'> | null,
  isUnlisted = false,
): void {
  const key = `authority/${op.id}`
  if (!what) {
    if (draft.get('ineffective', key)) draft.delete('ineffective', key)
    return
  }
  const { kind, actor, author, time } = op
  if (isUnlisted) return draft.add('ineffective', key, { kind, actor, author, time, ...what })
  const before = draft.get('ineffective', key)
  // Every op of an entity may be noted again because one of them is.
  if (before && before.outcome === what.outcome && before.entity === what.entity && sameRefusal(before, what))
    return
  draft.put('ineffective', key, { kind, actor, author, time, ...what })
}

function withoutOldNews(history: readonly HistoryOp[], author: string): readonly HistoryOp[] {
  const news = history.filter((op) => op.kind === 'node.announced' && op.author === author)
  const old = new Set(news.slice(0, -ANNOUNCEMENTS_KEPT))
  return old.size === 0 ? history : history.filter((op) => !old.has(op))
}
