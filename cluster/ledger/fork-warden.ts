import { z } from 'zod'
import { Fault, isFault } from '../../src/errors.ts'
import { AUTHORITY, type FeedId, type Lane, parseFeedId } from '../../src/journal/op.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { ANSWER_MS_MAX, BLOCK_BYTES_MAX, ONE_OF_MANY_MS } from '../limits.ts'
import type { Roster } from '../membership/roster.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import type { Fork } from './forks.ts'
import type { Heads } from './position.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'
import { receiveWithin } from './waiting.ts'

/**
 * One channel a proof: who opened it sends the two blocks, the other answers once it has them durably.
 *
 *   proof {blocks: [a, b]}  ->  kept {}
 */
const FORK_PROTOCOL = '/flotilla/forks/1'

const block = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= BLOCK_BYTES_MAX)
const proofSchema = z.strictObject({ is: z.literal('proof'), blocks: z.tuple([block, block]) })
const keptSchema = z.strictObject({ is: z.literal('kept') })

export interface ForkWardenParts {
  readonly journal: ReplicatedJournal
  readonly network: Network
  readonly roster: Roster
  readonly onCompared: (listener: (peer: NodeId, there: Heads | undefined) => void) => () => void
  /** Lanes as snapshots have them; undefined: they are had by their logs alone, and nothing is let go. */
  readonly snapshots?:
    | {
        /** Has the bytes here that stand for what was let go. @throws Fault where no member has them either */
        fetchBases(signal: AbortSignal): Promise<void>
        /** Puts a snapshot that members vouch for in the place of the lane, where one goes further. */
        take(lane: Lane, signal: AbortSignal): Promise<boolean>
      }
    | undefined
  /** Writes that the node is out, as compromised, and accepts of it what this node holds. */
  readonly putOut: (node: NodeId, reason: string) => Promise<void>
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

/**
 * What follows once a node has signed two histories: every member is handed the proof, takes back what it had
 * of the feed behind the fork, and one anchor puts the node out. So all come to hold the same, whichever
 * history reached them first.
 */
export class ForkWarden implements Startable {
  readonly #parts: ForkWardenParts
  /** Who has which proof, by their own word. */
  readonly #told = new Map<NodeId, Set<string>>()
  readonly #telling = new Set<NodeId>()
  readonly #tasks = new Set<Promise<void>>()
  #straightening: Promise<void> = Promise.resolve()
  /** Why the last attempt to take back what lies behind a fork failed. */
  #failure: Fault | undefined
  #retrying = false
  #stopping = new AbortController()
  #stops: (() => void)[] = []

  constructor(parts: ForkWardenParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { journal, network, onCompared } = this.#parts
    this.#stopping = new AbortController()
    await network.handle(FORK_PROTOCOL, (channel) => this.#serve(channel))
    this.#stops = [
      journal.quarantine.onFork((fork) => this.#found(fork)),
      // It may come back from an old disk, and without the proof it waits for entries that nobody hands out.
      network.onPeer((peer, state) => {
        if (state === 'up') this.#told.delete(peer)
      }),
      onCompared((peer, there) => {
        this.#again()
        this.#follow(peer, there)
        this.#doubt(peer, there)
        this.#run(() => this.#tell(peer))
      }),
    ]
    for (const fork of journal.quarantine.forks()) this.#found(fork)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const stop of this.#stops.splice(0)) stop()
    await Promise.all(this.#tasks)
    await this.#straightening
  }

  #found(fork: Fork): void {
    const { network, log } = this.#parts
    for (const peer of network.connected()) this.#run(() => this.#tell(peer))
    this.#straightening = this.#straightening
      .then(() => this.#straighten())
      .catch((error: unknown) => {
        const words =
          'what lies behind a fork could not be taken back here: this node stays apart from the others until it is'
        log.error({ feed: fork.feed, seq: fork.seq, error }, words)
      })
    this.#run(() => this.#putOut(fork))
  }

  /** Why what lies behind a fork is still here; undefined where nothing is. */
  get failure(): Fault | undefined {
    return this.#failure
  }

  async #straighten(): Promise<void> {
    const { journal, snapshots } = this.#parts
    try {
      if (journal.quarantine.astray().length > 0) await snapshots?.fetchBases(this.#stopping.signal)
      await journal.quarantine.straighten()
      this.#failure = undefined
    } catch (error) {
      this.#failure = isFault(error) ? error : new Fault('RETELLING_FAILED', String(error), {}, error)
      throw error
    }
  }

  /** What it took may be here by now, or some member be in reach that has it. */
  #again(): void {
    if (this.#failure === undefined || this.#retrying) return
    this.#retrying = true
    this.#run(async () => {
      try {
        await this.#straighten()
      } finally {
        this.#retrying = false
      }
    })
  }

  /**
   * Who has the proof and stands behind the fork all the same cannot take back more: a snapshot stands there for
   * what came before. What it holds is then the history, for everybody.
   */
  #follow(peer: NodeId, there: Heads | undefined): void {
    const { journal, snapshots } = this.#parts
    if (!there || !snapshots || this.#failure) return
    const lanes = [...this.#leftStanding(peer, there)]
      .map((feed) => parseFeedId(feed).lane)
      .filter((lane) => lane !== AUTHORITY)
    for (const lane of new Set(lanes)) {
      this.#run(async () => {
        await snapshots.take(lane, this.#stopping.signal)
        await journal.lanes.takeAside()
        await journal.quarantine.forgetRestored()
      })
    }
  }

  /** Feeds of which that peer holds what every fork it knows of takes back here. */
  #leftStanding(peer: NodeId, there: Heads): FeedId[] {
    const { journal } = this.#parts
    const here = journal.frontier()
    const forks = new Map(journal.quarantine.forks().map((fork) => [fork.feed, fork]))
    const knows = ({ feed, seq }: Fork) => this.#told.get(peer)?.has(`${feed} ${seq}`) === true
    const further = [...there].filter(([feed, { seq }]) => seq > (here[feed] ?? 0))
    // Whose admission is not here yet may well be in: only who lacks nothing of that lane can tell.
    const isInformed = () =>
      !journal.wanted(there).some(({ feed }) => parseFeedId(feed).lane === AUTHORITY) &&
      [...forks.values()].every((fork) => parseFeedId(fork.feed).lane !== AUTHORITY || knows(fork))
    let informed: boolean | undefined
    return further.flatMap(([feed, { seq }]) => {
      const fork = forks.get(feed)
      if (fork) return seq >= fork.seq && knows(fork) ? [feed] : []
      if (!journal.isDisowned(feed)) return []
      informed ??= isInformed()
      return informed ? [feed] : []
    })
  }

  /** One anchor does it: the others see by then that it is done. */
  async #putOut({ feed, seq }: Fork): Promise<void> {
    const { journal, roster, random, timers, log, putOut } = this.#parts
    const { author } = parseFeedId(feed)
    await this.#straightening
    if (author === journal.node) {
      log.error(
        { feed, seq },
        'two histories exist under this node’s name: it writes no more; let it join anew',
      )
      return
    }
    await timers.sleep(random.integer(ONE_OF_MANY_MS), this.#stopping.signal)
    const isIn = ['member', 'pending'].includes(roster.get(author)?.state ?? '')
    if (!isIn || roster.get(journal.node)?.role !== 'anchor' || !roster.isMember(journal.node)) return
    await putOut(author, `signed two entries of one number: ${feed.split('@')[0]} ${seq}`)
    log.error({ node: author, feed, seq }, 'a node with two histories was put out')
  }

  /** Who stands behind a fork has lost the proof: it was restored to a disk from before. */
  #doubt(peer: NodeId, there: Heads | undefined): void {
    const { journal } = this.#parts
    const { heads } = journal.position()
    for (const { feed, seq } of journal.quarantine.forks()) {
      // Where both stand behind a fork a snapshot has brought them there.
      if (there?.get(feed)?.hash === heads.get(feed)?.hash) continue
      if ((there?.get(feed)?.seq ?? 0) >= seq) this.#told.get(peer)?.delete(`${feed} ${seq}`)
    }
  }

  async #tell(peer: NodeId): Promise<void> {
    const { journal, network, timers } = this.#parts
    if (this.#telling.has(peer)) return
    const told = this.#told.get(peer) ?? new Set()
    this.#told.set(peer, told)
    this.#telling.add(peer)
    try {
      for (const { feed, seq, heldBlock, rivalBlock } of journal.quarantine.forks()) {
        const name = `${feed} ${seq}`
        if (told.has(name) || heldBlock.length === 0) continue
        const channel = await network.open(peer, FORK_PROTOCOL, this.#stopping.signal)
        try {
          await channel.send({ is: 'proof', blocks: [heldBlock, rivalBlock] })
          keptSchema.parse(await receiveWithin(channel, timers, ANSWER_MS_MAX, this.#stopping.signal))
          await channel.close()
          told.add(name)
        } catch (error) {
          channel.abort(error instanceof Error ? error : new Error(String(error)))
          throw error
        }
      }
    } finally {
      this.#telling.delete(peer)
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const { blocks } = proofSchema.parse(await receiveWithin(channel, this.#parts.timers, ANSWER_MS_MAX))
    await this.#parts.journal.quarantine.takeProof(blocks)
    await channel.send({ is: 'kept' })
  }

  #run(task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#parts.log.debug({ error }, 'a fork could not be dealt with')
      })
      .then(() => {
        this.#tasks.delete(running)
      })
    this.#tasks.add(running)
  }
}
