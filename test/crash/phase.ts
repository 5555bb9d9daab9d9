import type { ReplicatedJournal } from '../../cluster/ledger/replicated-journal.ts'
import type { Frontier } from '../../src/journal/op.ts'
import type { Member } from './member.ts'
import type { Facts, Scene } from './scene.ts'

/** What somebody was told is recorded. */
export type Acknowledged =
  | { readonly ids: readonly string[]; readonly tag?: string }
  /** So much of every feed was said to be here. */
  | { readonly frontier: Frontier }
  /** It is a member, by that id. */
  | { readonly joined: string }

export interface Place {
  readonly node: Member
  readonly facts: Facts
  readonly acknowledge: (what: Acknowledged) => void
}

/** Something a node does with its disk, at every step of which it may die. */
export interface Phase {
  readonly name: string
  /** Opening the store is part of it. */
  readonly fromStart?: true
  prepare(scene: Scene): Promise<void>
  run(place: Place): Promise<void>
  /** Done at every member before states are compared, where the phase does what each does in its own time. */
  finish?(journal: ReplicatedJournal): Promise<void>
}
