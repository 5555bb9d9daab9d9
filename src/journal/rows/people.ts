import type { OpId } from '../op.ts'
import type { Register } from './registers.ts'

export interface UserRow {
  readonly id: OpId
  /** Positive 31-bit number, as Harbor's clients expect. */
  readonly number: number
  /** The name asked for at creation or by the last renaming; `claims` says whether it is held. */
  readonly name: string
  readonly createdAt: number
  readonly deleted: boolean
  readonly email: Register<string>
  readonly realname: Register<string>
  readonly comment: Register<string>
  /** Restrict-wins: system administrator only while every sibling says so. */
  readonly admin: Register<boolean>
  /** The greatest epoch wins: an old secret never comes back. */
  readonly password: { readonly hash: string; readonly epoch: number; readonly id: OpId }
  /** By directory: what it said at the last login; of several unaware of each other, what all say counts. */
  readonly groups: Readonly<Record<string, Register<GroupsSeen>>>
}

export interface GroupsSeen {
  readonly groups: readonly string[]
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}
