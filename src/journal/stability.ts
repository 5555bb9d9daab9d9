import { type Dot, type Frontier, reaches } from './op.ts'

/** What is known here of bytes nothing refers to. */
export interface Unreferenced {
  /** Some row that counts refers to the digest, in any repository. */
  readonly referenced: boolean
  /** An upload or a mount under way counts on the bytes. */
  readonly leased: boolean
  /** How long nothing has referred to it here, on the monotonic clock. */
  readonly unreferencedMs: number
  /** Longer than any push takes, and longer than a node serves that has heard from nobody. */
  readonly graceMs: number
  /** The ops that took its references away. */
  readonly removals: readonly Pick<Dot, 'feed' | 'seq'>[]
  /** Members that are not evicted and have not left, whether they can be reached or not. */
  readonly members: readonly string[]
  /** How far each member is known to have come, by what it signed. */
  readonly seen: ReadonlyMap<string, Frontier>
}

/**
 * Whether bytes may be deleted here: no reference, no lease, grace over, and every member has seen the removals, so
 * nobody can still refer to them on the strength of what they replaced. With a member out of reach it waits.
 */
export function mayDeleteBytes(about: Unreferenced): boolean {
  if (about.referenced || about.leased || about.unreferencedMs <= about.graceMs) return false
  return about.members.every((member) => {
    const frontier = about.seen.get(member)
    return frontier !== undefined && about.removals.every((removal) => reaches(frontier, removal))
  })
}
