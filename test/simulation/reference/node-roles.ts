import { familyOf, parseFeedId, tenantOf } from '../../../src/journal/op.ts'
import type { Formed, Grant } from './formed.ts'

/** Kinds by which a node speaks of itself. */
const PRESENCE: ReadonlySet<string> = new Set(['node.announced', 'node.left'])
/** What a replica may do with the actor `node` beside. */
const NOBODYS: ReadonlySet<string> = new Set([
  'node.announced',
  'node.left',
  'quota.moved',
  'cluster.recovered',
])

/** Whether a node of that role and scope may write the op. */
export function allows({ role, scope }: Pick<Grant, 'role' | 'scope'>, op: Formed): boolean {
  const { lane } = parseFeedId(op.dot.feed)
  if (familyOf(lane) !== 'authority') {
    return role !== 'readonly' && (scope === null || scope.includes(tenantOf(lane) as string))
  }
  if (op.actor !== 'node' && scope !== null && !scope.includes('system')) return false
  switch (role) {
    case 'anchor':
      return true
    case 'replica':
      return op.actor !== 'node' || NOBODYS.has(op.kind)
    case 'edge':
      return PRESENCE.has(op.kind) || op.kind === 'quota.moved'
    default:
      return PRESENCE.has(op.kind)
  }
}
