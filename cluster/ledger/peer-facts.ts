import type { FeedId, Frontier } from '../../src/journal/op.ts'
import type { MemberStatus } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { NodeId } from '../network/network.ts'
import { type Difference, differenceOf, type Heads, type Position } from './position.ts'

/** What the ledger knows of another member. */
export type PeerSync = Pick<MemberStatus, 'sync' | 'lagEntries' | 'stateHash' | 'lastExchangeMs'>

interface Facts {
  readonly atMs: number
  readonly difference: Difference
  /** Where the peer stood. */
  readonly frontier: Frontier
  readonly stateHash: string | null
  /** The heads were not the same. */
  readonly apart: boolean
  /** The same entries gave other tables, when that was last to be seen. */
  readonly differs: boolean
}

/** How each peer stood against us when we last compared. */
export class PeerFacts {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #forkedAt: (feed: FeedId) => number
  readonly #facts = new Map<NodeId, Facts>()
  readonly #listeners = new Set<(peer: NodeId, there: Heads | undefined) => void>()

  constructor(clock: Clock, log: Logger, forkedAt: (feed: FeedId) => number) {
    this.#clock = clock
    this.#log = log
    this.#forkedAt = forkedAt
  }

  /**
   * @param there undefined where the digests were equal, and so the heads
   * @param stateHash null where the peer still decides again what came late
   */
  record(peer: NodeId, here: Position, there: Heads | undefined, stateHash: string | null): void {
    const difference = there ? differenceOf(here.heads, there, this.#forkedAt) : { ours: 0, theirs: 0 }
    const atMs = this.#clock.monotonic()
    const apart = there !== undefined
    const before = this.#facts.get(peer)?.differs ?? false
    const isSeen = !apart && stateHash !== null && here.stateHash !== null
    const differs = isSeen ? stateHash !== here.stateHash : before
    const heads = there ?? here.heads
    const frontier = Object.fromEntries([...heads].map(([feed, { seq }]) => [feed, seq]))
    this.#facts.set(peer, { atMs, difference, frontier, stateHash, apart, differs })
    if (differs && !before) {
      const facts = { peer, ours: here.stateHash, theirs: stateHash }
      this.#log.error(facts, 'the same entries gave other tables there: one of the two nodes is damaged')
    }
    for (const listener of this.#listeners) listener(peer, there)
  }

  /** Tells of every comparison: where the peer stood; undefined where it stood where we did. */
  onCompared(listener: (peer: NodeId, there: Heads | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Milliseconds since the last comparison; infinite where there was none. */
  sinceMs(peer: NodeId): number {
    const facts = this.#facts.get(peer)
    return facts ? this.#clock.monotonic() - facts.atMs : Number.POSITIVE_INFINITY
  }

  /** Where the peer said it stood; feeds never go back. */
  frontierOf(peer: NodeId): Frontier | undefined {
    return this.#facts.get(peer)?.frontier
  }

  /** Forgets who is not to be known any longer. */
  keep(isKnown: (peer: NodeId) => boolean): void {
    for (const peer of this.#facts.keys()) if (!isKnown(peer)) this.#facts.delete(peer)
  }

  all(): Map<NodeId, PeerSync> {
    const nowMs = this.#clock.monotonic()
    return new Map(
      [...this.#facts].map(([peer, { atMs, difference, stateHash, apart, differs }]) => [
        peer,
        {
          sync: syncOf(difference, apart || differs),
          lagEntries: difference.ours + difference.theirs,
          stateHash,
          lastExchangeMs: Math.max(0, Math.round(nowMs - atMs)),
        },
      ]),
    )
  }
}

function syncOf({ ours, theirs }: Difference, isOther: boolean): PeerSync['sync'] {
  if (ours > 0) return 'ahead'
  if (theirs > 0) return 'behind'
  return isOther ? 'diverged' : 'in-sync'
}
