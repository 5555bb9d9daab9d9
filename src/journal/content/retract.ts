import { familyOf, type Op, parseFeedId } from '../op.ts'
import { inRepository } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import { applyContent } from './content.ts'
import { mayWrite } from './membership.ts'
import { eventKey, monthOf } from './trail-keys.ts'

/**
 * Decides one author's verdicts and events anew, all of a lane in their order: what does not count any more is taken out,
 * what counts again is put back. These lanes only grow, so no other author's rows are touched.
 */
export function redecide(draft: Draft, ops: readonly Op[]): void {
  const counts = new Set<string>()
  for (const op of ops) {
    const family = familyOf(parseFeedId(op.dot.feed).lane)
    const listed = draft.get('ineffective', `${family}/${op.id}`)
    if (listed?.reason === 'form' || listed?.reason === 'unknown') continue
    const was = listed === undefined
    const refused = mayWrite(draft, op)
    const is = refused === null
    if (op.kind === 'pulls.counted' || op.kind === 'link.counted') counts.add(op.id)
    if (listed && refused) draft.put('ineffective', `${family}/${op.id}`, { ...listed, ...refused })
    if (was === is) continue
    if (!is) takeOut(draft, op)
    else draft.delete('ineffective', `${family}/${op.id}`)
    applyContent(draft, op)
  }
  const counting = ops.filter(({ id }) => counts.has(id))
  recountPulls(
    draft,
    counting.filter(({ kind }) => kind === 'pulls.counted'),
  )
  recountLinks(
    draft,
    counting.filter(({ kind }) => kind === 'link.counted'),
  )
}

function takeOut(draft: Draft, op: Op): void {
  if (op.kind === 'verdict.recorded') {
    const { digest, scanner, database } = op.body as { digest: string; scanner: string; database: string }
    const key = inRepository(digest, scanner, database)
    const row = draft.get('verdicts', key)
    const found = row?.found.filter(({ id }) => id !== op.id) ?? []
    if (row && found.length > 0) draft.put('verdicts', key, { ...row, found })
    else if (row) draft.delete('verdicts', key)
  }
  if (op.kind === 'event.recorded') draft.delete('events', eventKey(op))
}

/** An author's counters from nothing, by those of its ops that count. */
function recountPulls(draft: Draft, ops: readonly Op[]): void {
  const totals = new Map<string, number>()
  for (const op of ops) {
    const { projectId, path, digest, total } = op.body as PullsBody
    const key = inRepository(monthOf(op), `${projectId}/${path}`, digest, op.author)
    const counts = mayWrite(draft, op) === null
    totals.set(key, Math.max(totals.get(key) ?? -1, counts ? total : -1))
  }
  for (const [key, total] of totals) {
    if (total >= 0) draft.put('pulls', key, { total })
    else if (draft.get('pulls', key)) draft.delete('pulls', key)
  }
}

function recountLinks(draft: Draft, ops: readonly Op[]): void {
  for (const op of ops) if (draft.get('linkUse', linkKey(op))) draft.delete('linkUse', linkKey(op))
  for (const op of ops) if (mayWrite(draft, op) === null) applyContent(draft, op)
}

function linkKey(op: Op): string {
  return inRepository(monthOf(op), (op.body as { link: string }).link, op.author)
}

interface PullsBody {
  readonly projectId: string
  readonly path: string
  readonly digest: string
  readonly total: number
}
