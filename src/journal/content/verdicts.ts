import { byDepthThenId } from '../op.ts'
import { inRepository } from '../rows.ts'
import type { Rules } from './content.ts'

/** What scanners found: only ever added to, by image, scanner and state of its database. */
export const verdictRules: Rules<'verdict.recorded'> = {
  'verdict.recorded'(draft, op, { digest, scanner, database, ...finding }) {
    const key = inRepository(digest, scanner, database)
    const { id, dot, depth, actor, time } = op
    const known = draft.get('verdicts', key)?.found ?? []
    const found = [...known, { id, dot, depth, actor, time, value: finding }].sort((a, b) =>
      byDepthThenId(b, a),
    )
    draft.put('verdicts', key, { digest, scanner, database, found })
  },
}
