import type { Dot, Frontier, OpId } from '../op.ts'

/** Why an op does not count; docs/decisions/0007 has the table, `effective.ts` the texts. */
export type Reason =
  | 'unknown'
  | 'form'
  | 'powerless'
  | 'revoked'
  | 'last-admin'
  | 'invite-used'
  | 'evicted'
  | 'immutable'
  | 'deleted'
  | 'name'
  | 'quota'

/** An op that does not count, or not fully, and why. */
export interface IneffectiveRow {
  readonly kind: string
  readonly actor: string
  readonly author: string
  readonly time: number
  readonly reason: Reason
  /** `refused`: never had the right, or lost it by a revocation; `lost`: another op beat it. */
  readonly outcome: 'refused' | 'lost'
  /** What it was about, such as `user:<id>`; of the catalog as `content/subject.ts` has it; null where it never came so far. */
  readonly entity: string | null
  /** The op it gave way to, where there is one. */
  readonly beatenBy: OpId | null
}

/** An authority op as the history of what it is about keeps it: all that deciding it again takes. */
export interface HistoryOp {
  readonly id: OpId
  readonly dot: Dot
  readonly depth: number
  readonly time: number
  readonly author: string
  readonly actor: string
  readonly kind: string
  readonly body: unknown
  /** Of the author's past, the feeds that had touched this entity; of a revocation's, all of it. */
  readonly past: Frontier
  /** What it rests on: of each need, the grants that may fulfil it. */
  readonly needs: readonly Need[]
  /** Seniority of whoever it was done by; 0 is most senior. */
  readonly rank: number
  /** Why it is ineffective; null while it counts. */
  readonly refused: Refused | null
}

/** An op that was taken back with the end of its feed, as it was written. */
export interface RetractedRow {
  readonly kind: string
  readonly actor: string
  readonly author: string
  readonly time: number
  readonly dot: Dot
  readonly body: unknown
  /** The entity it was about; null for what is none of the authority's. */
  readonly entity: string | null
  /** Of a tag: somebody has moved or deleted it since. */
  readonly settled?: true
}

export interface Refused {
  readonly reason: Reason
  readonly beatenBy: OpId | null
}

/** Grants its author had seen, any one of which would do. */
export type Need = readonly Support[]

export interface Support {
  readonly right: Right
  readonly grant: OpId
}

/** `<entity>#<power>`: see docs/decisions/0007. */
export type Right = `${string}#${'member' | 'account' | 'system' | 'project' | 'invite'}`

/** The revocations that are decided together. */
export interface StageRow {
  readonly size: number
  /** The newest of them, feed by feed. */
  readonly frontier: Frontier
  /** Users that were ever given the administrator's right, for the rule that one stays. */
  readonly administrators: readonly OpId[]
  /** How many of them do not count because nobody would have been left. */
  readonly spared: number
}

/** Where a revocation of a stage is found. */
export interface StageMember {
  readonly entity: string
  readonly id: OpId
}
