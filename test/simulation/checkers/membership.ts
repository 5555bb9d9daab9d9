import type { Readable } from '../../../src/journal/effective.ts'
import { type Frontier, hasSeen, type Op, reaches } from '../../../src/journal/op.ts'

/** What of an op's body is of interest here, whatever its kind. */
interface Said {
  readonly node?: string
  readonly invite?: string | null
  readonly frontier?: Frontier | null
  readonly approval?: boolean
  readonly admin?: boolean
  readonly role?: number
  readonly signature?: Uint8Array
}

function said(op: Op): Said {
  return Object(op.body) as Said
}

function counts(op: Op, tables: Readable): boolean {
  return tables.get('ineffective', `authority/${op.id}`) === undefined
}

/**
 * I6: of an evicted node's decisions those within the eviction's frontier count as if nothing had been, and no
 * other. Without a frontier it is what the evicting node had seen.
 */
export function misjudgedByEviction(ops: readonly Op[], tables: Readable): string | undefined {
  const evictions = ops.filter((op) => op.kind === 'node.evicted' && counts(op, tables))
  for (const eviction of evictions) {
    const { node, frontier } = said(eviction)
    const within = (op: Op) => (frontier ? reaches(frontier, op.dot) : hasSeen(eviction, op.dot))
    for (const op of ops) {
      if (op.author !== node || op.kind === 'node.announced' || op.kind === 'node.left') continue
      // Of these no right is asked.
      if (op.kind === 'cluster.founded' || said(op).invite === null) continue
      const row = tables.get('ineffective', `authority/${op.id}`)
      const place = `${op.kind} ${op.id} at ${op.dot.feed.slice(-6)}/${op.dot.seq}`
      if (within(op) && row?.beatenBy === eviction.id && row.outcome === 'refused')
        return `${place} lies within the frontier of ${eviction.id} and is taken back by it`
      if (!within(op) && !takesAway(op) && row?.outcome !== 'refused')
        return `${place} lies outside the frontier of ${eviction.id} and counts`
    }
  }
  return undefined
}

/** Among equals all removals stand, so one of these may count though its author was put out meanwhile. */
function takesAway(op: Op): boolean {
  const { admin, role } = said(op)
  if (op.kind === 'user.admin-set') return admin !== true
  if (op.kind === 'member.granted') return role !== 1
  return ['user.deleted', 'member.revoked', 'node.evicted'].includes(op.kind)
}

/** Who was to be approved is a member only by somebody else's word than the inviter's. */
export function admittedAlone(ops: readonly Op[], tables: Readable): string | undefined {
  const admissions = ops.filter((op) => op.kind === 'node.admitted' && counts(op, tables))
  for (const admission of admissions) {
    const { node = '', invite } = said(admission)
    if (tables.get('nodes', node)?.state !== 'member') continue
    const invitation = ops.find(
      (op) => op.kind === 'invite.created' && said(op).invite === invite && op.author === admission.author,
    )
    if (!invitation || !said(invitation).approval) continue
    const isOther = (op: Op) =>
      op.kind === 'node.approved' && said(op).node === node && op.actor !== invitation.actor
    if (!ops.some((op) => isOther(op) && counts(op, tables)))
      return `${node} is a member by the word of ${invitation.actor} alone`
  }
  return undefined
}

/** What counts as a recovery was signed with this cluster's key. @param isOurs asked of each signature */
export function unrecovered(
  ops: readonly Op[],
  tables: Readable,
  isOurs: (signature: Uint8Array) => boolean,
): string | undefined {
  for (const op of ops) {
    if (op.kind !== 'cluster.recovered' || !counts(op, tables)) continue
    const { signature } = said(op)
    if (!signature || !isOurs(signature)) return `${op.id} counts, and another key signed it`
  }
  return undefined
}
