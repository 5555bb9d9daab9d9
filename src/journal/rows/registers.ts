import type { Dot, OpId } from '../op.ts'

/** A value somebody wrote, with its place in the causal order. */
export interface Sibling<T> {
  readonly id: OpId
  readonly dot: Dot
  readonly depth: number
  readonly actor: string
  readonly time: number
  readonly value: T
}

/**
 * A multi-value register: every value no later write has seen, the deterministic winner first
 * (greatest depth, then id). More than one means that sites wrote without knowing of each other.
 */
export type Register<T> = readonly Sibling<T>[]

/** Somebody's claim to a name or number; the first in the (depth, id) order of the ops that made them holds it. */
export interface Claim {
  /** Of the user or project. */
  readonly id: OpId
  /** Of the op that claims it. */
  readonly depth: number
  /** That op, where it is another than the one that made the user or project: who was renamed. */
  readonly op?: OpId
}
