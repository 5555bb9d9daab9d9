import { TENANT } from '../../src/journal/op.ts'
import type { PlacementPolicy } from '../../src/journal/placement-policy.ts'
import type { Roster } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import type { Records } from './records.ts'

/** A node that copies may be left with. */
export interface Berth {
  readonly id: NodeId
  readonly name: string
  readonly site: string
}

/**
 * The members that copies are kept at. An edge or a read-only node is there for a while: it has what it pulls, and
 * nobody counts on it.
 */
export function berthsOf(roster: Roster, { tables }: Pick<Records, 'tables'>): Berth[] {
  return roster.members().flatMap(({ id, name, site, role }) => {
    const isSteady = role === 'anchor' || role === 'replica'
    const scope = tables.get('nodes', id)?.scope ?? null
    const isInScope = scope === null || scope.includes(TENANT)
    return roster.isMember(id) && isSteady && isInScope ? [{ id, name, site }] : []
  })
}

/** Those a project lets have its bytes. */
export function allowed(
  berths: readonly Berth[],
  { residency }: Pick<PlacementPolicy, 'residency'>,
): Berth[] {
  return berths.filter(({ site }) => residency === null || residency.has(site))
}
