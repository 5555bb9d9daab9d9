import { type Fault, isFault, isStorageFault } from '../../src/errors.ts'
import { AUTHORITY, type Lane, parseFeedId } from '../../src/journal/op.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import {
  COMPARE_INTERVAL_MS,
  COMPARES_PER_ROUND_MAX,
  HOLE_PATIENCE_MS,
  PULL_BACKOFF_MS_MAX,
  PULLS_CONCURRENT_MAX,
  SNAPSHOT_WORTH_ENTRIES,
} from '../limits.ts'
import type { Network, NodeId } from '../network/network.ts'
import { LedgerClient } from './ledger-client.ts'
import type { PeerFacts } from './peer-facts.ts'
import type { Heads } from './position.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'

export interface CatchUpParts {
  readonly journal: ReplicatedJournal
  readonly network: Network
  /** Entries from which a lane is rather had whole than replayed. */
  readonly worthEntries?: number | undefined
  readonly facts: PeerFacts
  /** Where lanes can be had whole; undefined: only by their logs. */
  readonly snapshots?: { take(lane: Lane, signal: AbortSignal): Promise<boolean> } | undefined
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}

interface Backoff {
  readonly failures: number
  readonly untilMs: number
}

/**
 * Correctness: compares with peers on connect and every few seconds, and pulls what they have and we lack
 * until nothing is left. Needs no new write to heal a partition, and no gossip message to have arrived.
 */
export class CatchUp implements Startable {
  readonly #parts: CatchUpParts
  readonly #comparing = new Set<NodeId>()
  readonly #pulling = new Set<NodeId>()
  /** Peers known to have something we lack, first come first served. */
  readonly #wanted = new Set<NodeId>()
  /** Peers about to be asked for what something of theirs depends on. */
  readonly #holes = new Set<NodeId>()
  readonly #backoffs = new Map<NodeId, Backoff>()
  /** Pulls that this node's own disk has ended, since the start. */
  #storageFailures = 0
  readonly #tasks = new Set<Promise<void>>()
  #stopping = new AbortController()
  #callOffs = new Set<() => void>()
  #unfollow = () => {}

  constructor(parts: CatchUpParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#unfollow = this.#parts.network.onPeer((peer, state) => {
      this.#backoffs.delete(peer)
      if (state === 'up') this.#compare(peer)
    })
    this.#round()
  }

  async stop(): Promise<void> {
    this.#unfollow()
    this.#stopping.abort(new Error('the ledger is stopping'))
    for (const callOff of this.#callOffs) callOff()
    this.#callOffs.clear()
    await Promise.all(this.#tasks)
    this.#wanted.clear()
    this.#holes.clear()
    this.#backoffs.clear()
  }

  /** Pulls from that peer until it has nothing we lack. @throws what stood in the way */
  async pull(peer: NodeId, signal: AbortSignal): Promise<void> {
    // A lane is tried whole once; where that fails it is replayed.
    const tried = new Set<Lane>()
    for (;;) {
      const whole = new Set<Lane>()
      const pulled = await LedgerClient.with(this.#parts, peer, signal, async (client) => {
        const comparison = await client.compare()
        this.#parts.facts.record(peer, comparison.here, comparison.there, comparison.stateHash)
        for (const lane of this.#worthWhole(comparison.there)) if (!tried.has(lane)) whole.add(lane)
        return client.pull(comparison, whole)
      })
      if (pulled.refused > 0 || pulled.stuck) this.#failed(peer)
      else if (pulled.applied > 0) this.#backoffs.delete(peer)
      if (pulled.applied > 0) {
        this.#parts.log.info({ peer, entries: pulled.applied }, 'entries caught up')
        await this.#parts.journal.lanes.takeAside()
        continue
      }
      // Now that authority is in: who may vouch for a snapshot is written there.
      let moved = false
      for (const lane of new Set([...whole, ...pulled.pruned])) {
        if (tried.has(lane)) continue
        tried.add(lane)
        const came = await this.#parts.snapshots?.take(lane, signal)
        moved ||= came === true || whole.has(lane)
      }
      if (moved) continue
      // Another peer may still have the log, or a newer snapshot be written soon.
      if (pulled.pruned.length > 0) this.#failed(peer)
      return
    }
  }

  /** A peer said where it stands: pulls from it soon, unless it has nothing for us or was of no help lately. */
  offered(peer: NodeId, there: Heads): void {
    if (this.#parts.journal.wanted(there).length === 0) return
    if ((this.#backoffs.get(peer)?.untilMs ?? 0) > this.#parts.clock.monotonic()) return
    this.#wanted.add(peer)
    this.#pullNext()
  }

  /** Something arrived before what it depends on: mostly that is under way, else it is asked for. */
  incomplete(peer: NodeId): void {
    if (this.#holes.has(peer) || this.#stopping.signal.aborted) return
    this.#holes.add(peer)
    this.#later(HOLE_PATIENCE_MS, () => {
      this.#holes.delete(peer)
      const connected = this.#parts.network.connected()
      // Gossip names the author, who may be out of reach while others are not.
      const someone = connected[this.#parts.random.integer(Math.max(1, connected.length))]
      const helper = connected.includes(peer) ? peer : someone
      if (helper !== undefined) this.#compare(helper)
    })
  }

  /** Lanes of which nothing is here and a lot is there. */
  #worthWhole(there: Heads | undefined): Lane[] {
    if (!there || !this.#parts.snapshots) return []
    const entries = new Map<Lane, number>()
    for (const [feed, { seq }] of there) {
      const { lane } = parseFeedId(feed)
      entries.set(lane, (entries.get(lane) ?? 0) + seq)
    }
    const here = this.#parts.journal.frontier()
    const begun = new Set(Object.keys(here).map((feed) => parseFeedId(feed).lane))
    const worth = this.#parts.worthEntries ?? SNAPSHOT_WORTH_ENTRIES
    return [...entries]
      .filter(([lane, count]) => lane !== AUTHORITY && count >= worth && !begun.has(lane))
      .map(([lane]) => lane)
  }

  /** Compares with those not heard from for longest. */
  #round(): void {
    const { network, facts, random, journal } = this.#parts
    journal.resumeReviews()
    const due = network
      .connected()
      .map((peer) => ({ peer, sinceMs: facts.sinceMs(peer) }))
      .filter(({ sinceMs }) => sinceMs >= COMPARE_INTERVAL_MS / 2)
      .sort((a, b) => b.sinceMs - a.sinceMs)
      .slice(0, COMPARES_PER_ROUND_MAX)
    for (const { peer } of due) this.#compare(peer)
    const jitterMs = random.integer(COMPARE_INTERVAL_MS)
    this.#later(COMPARE_INTERVAL_MS / 2 + jitterMs, () => this.#round())
  }

  #compare(peer: NodeId): void {
    if (this.#comparing.has(peer) || this.#pulling.has(peer)) return
    this.#comparing.add(peer)
    this.#run(peer, async (signal) => {
      try {
        const { here, there, stateHash } = await LedgerClient.with(this.#parts, peer, signal, (client) =>
          client.compare(),
        )
        this.#parts.facts.record(peer, here, there, stateHash)
        if (there) this.offered(peer, there)
      } finally {
        this.#comparing.delete(peer)
      }
    })
  }

  #pullNext(): void {
    for (const peer of this.#wanted) {
      if (this.#pulling.size >= PULLS_CONCURRENT_MAX || this.#stopping.signal.aborted) return
      if (this.#pulling.has(peer)) continue
      this.#wanted.delete(peer)
      this.#pulling.add(peer)
      this.#run(peer, async (signal) => {
        try {
          await this.pull(peer, signal)
        } catch (error) {
          if (isStorageFault(error)) this.#rest(peer)
          else this.#failed(peer)
          throw error
        } finally {
          this.#pulling.delete(peer)
          this.#pullNext()
        }
      })
    }
  }

  #failed(peer: NodeId): void {
    const failures = (this.#backoffs.get(peer)?.failures ?? 0) + 1
    const waitMs = Math.min(PULL_BACKOFF_MS_MAX, COMPARE_INTERVAL_MS * 2 ** Math.min(failures - 1, 16))
    this.#backoffs.set(peer, { failures, untilMs: this.#parts.clock.monotonic() + waitMs })
  }

  /** The peer did nothing wrong: it is asked again as soon as anybody is. */
  #rest(peer: NodeId): void {
    const { failures = 0 } = this.#backoffs.get(peer) ?? {}
    this.#backoffs.set(peer, { failures, untilMs: this.#parts.clock.monotonic() + COMPARE_INTERVAL_MS })
  }

  /** At powers of two: a disk may stay full for days. */
  #tellOfDisk(error: Fault): void {
    const times = ++this.#storageFailures
    if ((times & (times - 1)) === 0)
      this.#parts.log.error({ code: error.code, error, times }, 'what members have cannot be recorded here')
  }

  #run(peer: NodeId, task: (signal: AbortSignal) => Promise<void>): void {
    const running = task(this.#stopping.signal)
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return
        if (isStorageFault(error)) {
          this.#tellOfDisk(error)
          return
        }
        const expected = isFault(error)
        this.#parts.log[expected ? 'debug' : 'warn'](
          { peer, error },
          'a conversation about the ledger failed',
        )
      })
      .then(() => {
        this.#tasks.delete(running)
      })
    this.#tasks.add(running)
  }

  #later(ms: number, task: () => void): void {
    const callOff = this.#parts.timers.after(ms, () => {
      this.#callOffs.delete(callOff)
      task()
    })
    this.#callOffs.add(callOff)
  }
}
