import { inRepository } from '../rows.ts'
import type { Rules } from './content.ts'
import { eventKey, monthOf } from './trail-keys.ts'

/** What happened, and how often: added to, month by month, and dropped by the month. */
export const trailRules: Rules<'event.recorded' | 'pulls.counted' | 'link.counted'> = {
  'event.recorded'(draft, op, event) {
    const { time, actor, author } = op
    draft.put('events', eventKey(op), { time, actor, author, ...event })
  },

  'pulls.counted'(draft, op, { projectId, path, digest, total }) {
    const key = inRepository(monthOf(op), `${projectId}/${path}`, digest, op.author)
    // A node only counts up, so the greatest it said is what it counted.
    if (total > (draft.get('pulls', key)?.total ?? -1)) draft.put('pulls', key, { total })
  },

  'link.counted'(draft, op, { link, sent, received }) {
    const key = inRepository(monthOf(op), link, op.author)
    const known = draft.get('linkUse', key) ?? { sent: 0, received: 0 }
    draft.put('linkUse', key, {
      sent: Math.max(known.sent, sent),
      received: Math.max(known.received, received),
    })
  },
}
