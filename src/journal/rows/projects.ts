import type { Dot, Frontier, OpId } from '../op.ts'
import type { Register } from './registers.ts'

export interface ProjectRow {
  readonly id: OpId
  readonly number: number
  readonly name: string
  readonly ownerId: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly deleted: boolean
  /** Harbor's string-valued project metadata; `public` is restrict-wins. */
  readonly metadata: Readonly<Record<string, Register<string>>>
  /** Every rule on its tags, oldest first. */
  readonly immutability: readonly ImmutabilityRule[]
}

export interface ImmutabilityRule {
  readonly id: OpId
  readonly dot: Dot
  readonly mode: 'off' | 'strict' | 'available'
  readonly home: string | null
  readonly frontier: Frontier
  /** The rules its author had seen. */
  readonly replaces: readonly OpId[]
}

/** How much of a project's limit each node may spend: sums to the limit. */
export interface QuotaRow {
  readonly projectId: OpId
  readonly limit: number
  /** The op that set the limit. */
  readonly set: OpId
  /** Bytes by node id. */
  readonly rights: Readonly<Record<string, number>>
}

/** Harbor's role ids: 1 projectAdmin, 2 developer, 3 guest, 4 maintainer, 5 limitedGuest. */
export type RoleId = 1 | 2 | 3 | 4 | 5

export interface MemberRow {
  readonly projectId: OpId
  readonly userId: OpId
  /** Live grants; more than one only when sites granted unaware of each other: the weakest then holds. */
  readonly grants: Register<{ readonly role: RoleId; readonly number: number }>
  /** Every revocation: a grant counts only if it had seen all of them. */
  readonly revocations: readonly Dot[]
}
