import type { Op } from '../op.ts'
import { inRepository, type RetractedRow } from '../rows.ts'
import type { Draft } from '../table-store.ts'

/** Key in `tags` of what an op moved; undefined for one of another kind. */
export function retractedTag({ kind, body }: Pick<RetractedRow, 'kind' | 'body'>): string | undefined {
  if (kind !== 'tag.moved') return undefined
  const { projectId, path, tag } = Object(body) as Readonly<Record<string, unknown>>
  if (typeof projectId !== 'string' || typeof path !== 'string' || typeof tag !== 'string') return undefined
  return inRepository(`${projectId}/${path}`, tag)
}

/**
 * Somebody said what a tag shall be, or that it shall not be, after a fork took back another word for it: that one
 * needs nobody's decision any more, whatever becomes of the tag. After, by their clocks: it is for people to see, and
 * in no hash.
 */
export function settleRetracted(draft: Draft, key: string, op: Pick<Op, 'time'>): void {
  const waiting = draft.get('retractedTags', key)
  if (!waiting) return
  const ids = waiting.ids.filter((id) => {
    const row = draft.get('retracted', id)
    if (!row || op.time <= row.time) return row !== undefined
    draft.put('retracted', id, { ...row, settled: true })
    return false
  })
  if (ids.length === waiting.ids.length) return
  if (ids.length > 0) draft.put('retractedTags', key, { ids })
  else draft.delete('retractedTags', key)
}
