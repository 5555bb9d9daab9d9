import { type FeedId, parseFeedId } from '../../src/journal/op.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { FIRST_COMPARISON_MS_MAX } from '../limits.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network, NodeId } from '../network/network.ts'
import type { Heads } from './position.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'

export interface IncarnationParts {
  readonly journal: Pick<
    ReplicatedJournal,
    'node' | 'life' | 'continueAs' | 'holdWrites' | 'onOwnBlock' | 'frontier' | 'onEntries'
  >
  readonly network: Pick<Network, 'connected'>
  readonly roster: Pick<Roster, 'members'>
  /** Tells of every comparison with a member: where it stood; undefined where it stood where we do. */
  readonly onCompared: (listener: (peer: NodeId, there: Heads | undefined) => void) => () => void
  /** The data directory is a copy: whatever members say, others may know more than those that answer. */
  readonly moved?: boolean
  /** Durable when it resolves. */
  readonly keep: (life: string) => Promise<void>
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

const LIFE_CHARACTERS = 'abcdefghijklmnopqrstuvwxyz234567'
/** 40 bits: a node would have to be restored a million times for two of its lives to be called the same. */
const LIFE_LENGTH = 8

/**
 * Sees to it that a node which was restored from a backup, and does not know it, never writes a number twice.
 * After each start it goes on in its present life only once a member has shown to know no more of its logs than
 * it does itself. Where one knows more it takes that in and goes on in a new life, in logs of another name; where
 * nobody can be asked in time, or its directory is a copy, it does so at once. The present life is durable before anything is written in it.
 */
export class Incarnation implements Startable {
  readonly #parts: IncarnationParts
  /** What a member was found to know of this node's logs beyond what is here; it is being fetched. */
  #lacking: ReadonlyMap<FeedId, number> = new Map()
  #sure = false
  #moved: boolean
  #wrote = false
  #startedMs = 0
  #choosing: Promise<void> | undefined
  #stopping = new AbortController()
  #stops: (() => void)[] = []
  #heard: () => void = () => {}

  constructor(parts: IncarnationParts) {
    this.#parts = parts
    this.#moved = parts.moved ?? false
  }

  async start(): Promise<void> {
    const { journal, clock, onCompared } = this.#parts
    this.#startedMs = clock.monotonic()
    this.#stopping = new AbortController()
    journal.holdWrites(() => (this.#sure ? undefined : this.#ready()))
    this.#stops = [
      () => journal.holdWrites(undefined),
      onCompared((_, there) => this.#compared(there)),
      journal.onOwnBlock(() => {
        this.#wrote = true
      }),
      journal.onEntries(() => {
        if (this.#lacking.size > 0) this.#heard()
      }),
    ]
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const stop of this.#stops.splice(0)) stop()
    await this.#choosing?.catch(() => {})
  }

  #compared(there: Heads | undefined): void {
    const more = this.#knownBeyond(there)
    if (more.size === 0) {
      if (this.#lacking.size === 0 && !this.#moved) this.#sure = true
      this.#heard()
      return
    }
    this.#lacking = more
    const facts = { logs: [...more.keys()], wrote: this.#wrote }
    this.#parts.log.warn(
      facts,
      'a member knows more of this node’s own log than it does: it was restored from a backup',
    )
    // Asked anew before the next write; what has been written in this life already shows as a fork.
    this.#sure = false
    this.#heard()
  }

  /** Logs of this node's present life that go on over there. */
  #knownBeyond(there: Heads | undefined): Map<FeedId, number> {
    const { journal } = this.#parts
    const here = journal.frontier()
    const more = new Map<FeedId, number>()
    for (const [feed, { seq }] of there ?? []) {
      const { author, life } = parseFeedId(feed)
      if (author === journal.node && life === journal.life && seq > (here[feed] ?? 0)) more.set(feed, seq)
    }
    return more
  }

  /** Everybody who wants to write waits for the same decision. */
  #ready(): Promise<void> {
    this.#choosing ??= this.#decide().finally(() => {
      this.#choosing = undefined
    })
    return this.#choosing
  }

  async #decide(): Promise<void> {
    const { journal, roster, clock } = this.#parts
    const others = () => roster.members().some(({ id, state }) => id !== journal.node && state === 'member')
    const askedMs = clock.monotonic()
    if (this.#moved) return this.#beginLife('its directory is a copy')
    while (!this.#sure && !this.#stopping.signal.aborted) {
      if (this.#lacking.size > 0) {
        if (!(await this.#fetched(askedMs))) continue
        return this.#beginLife('a member knew more of its logs')
      }
      if (!others()) {
        this.#sure = true
        return
      }
      const leftMs = this.#patienceMs(askedMs)
      if (leftMs <= 0) return this.#beginLife('no member could be asked')
      await this.#wait(leftMs)
    }
  }

  /** @returns whether all of it is here, or it is waited for no longer */
  async #fetched(askedMs: number): Promise<boolean> {
    const { journal, clock } = this.#parts
    const here = journal.frontier()
    if ([...this.#lacking].every(([feed, seq]) => (here[feed] ?? 0) >= seq)) return true
    const leftMs = FIRST_COMPARISON_MS_MAX - (clock.monotonic() - askedMs)
    if (leftMs <= 0) return true
    await this.#wait(leftMs)
    return false
  }

  /** From the start on where nobody is connected yet; from the question on where somebody is, and may answer. */
  #patienceMs(askedMs: number): number {
    const { clock, network } = this.#parts
    const since = network.connected().length > 0 ? askedMs : this.#startedMs
    return FIRST_COMPARISON_MS_MAX - (clock.monotonic() - since)
  }

  async #beginLife(why: string): Promise<void> {
    const { journal, random, keep, log } = this.#parts
    const life = Array.from(
      { length: LIFE_LENGTH },
      () => LIFE_CHARACTERS[random.integer(LIFE_CHARACTERS.length)],
    ).join('')
    await keep(life)
    journal.continueAs(life)
    this.#lacking = new Map()
    this.#wrote = false
    this.#moved = false
    this.#sure = true
    log.info({ life, why }, 'this node goes on in a new life')
  }

  /** Until something was heard, at most `ms`. */
  async #wait(ms: number): Promise<void> {
    const done = new AbortController()
    const any = AbortSignal.any([done.signal, this.#stopping.signal])
    this.#heard = () => done.abort()
    await this.#parts.timers.sleep(ms, any).catch(() => {})
    this.#heard = () => {}
  }
}
