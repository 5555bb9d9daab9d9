import { Fault } from '../../src/errors.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { AUTHORITY, type Lane } from '../../src/journal/op.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import {
  FORMER_BYTES_MAX,
  FORMER_CONNECTION_MS_MAX,
  FORMER_SETTLED_MS,
  FORMER_TAKEN_BYTES_MAX,
  NETWORK_KEY_WINDOW_MS,
} from '../limits.ts'
import { MemberDialer } from '../network/dialer.ts'
import type { Channel, NodeId } from '../network/network.ts'
import type { Member, Roster } from './roster.ts'
import {
  authorityOf,
  entriesSchema,
  type Held,
  helloSchema,
  isOverruled,
  type Stand,
  standTowards,
  WORD_PROTOCOL,
} from './word.ts'

/** One page: small beside what a channel carries, so that an end's memory holds little of a slow one. */
const WORD_PAGE_BYTES = 256 * 1024
/** A connection lives on so long after the last word, for a second one begun by the other side. */
const PARTING_MS = 250

/** The part of the host that speaks with nodes that were put out. */
export interface FormerNetwork {
  readonly self: NodeId
  handleFormer(protocol: string, serve: (channel: Channel) => Promise<void>): Promise<void>
  onFormer(listener: (peer: NodeId) => void): void
  dialFormer(member: Member, signal: AbortSignal): Promise<void>
  openFormer(peer: NodeId, protocol: string, signal: AbortSignal): Promise<Channel>
  hangUp(peer: NodeId): Promise<void>
}

/** The ledger as it is handed over, block by block. */
export interface WordJournal extends Pick<Journal, 'node' | 'tables' | 'frontier'> {
  blocks(ranges: readonly { feed: string; from: number; to: number }[]): AsyncIterable<Uint8Array>
  take(blocks: readonly Uint8Array[], from: NodeId): Promise<{ readonly applied: number }>
}

export interface WordParts {
  readonly journal: WordJournal
  readonly network: FormerNetwork
  readonly roster: Roster
  /** The lane a block says it is of. */
  readonly laneOf: (block: Uint8Array) => Lane | undefined
  /** Told when this node is out by a word it must believe, without a record of it. */
  readonly onPutOut: (by: NodeId, held: Held) => void
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

interface Got {
  readonly blocks: readonly Uint8Array[]
  readonly more: boolean
}

/**
 * Tells nodes that were put out that they are, and hears what they have to say: a node that was cut off while it
 * was evicted learns of it and stops, and halves that evicted each other's nodes come to one judgement. See
 * docs/decisions/0009.
 */
export class WordToFormers implements Startable {
  readonly #parts: WordParts
  readonly #dialer: MemberDialer
  /** Since when this node knows of each that is out, monotonic milliseconds. */
  readonly #sinceMs = new Map<NodeId, number>()
  /** Those with which all is said, and until when that stands. */
  readonly #settled = new Map<NodeId, number>()
  readonly #takenBytes = new Map<NodeId, number>()
  /** Who holds that this node is out, where this node does not. */
  readonly #heard = new Map<NodeId, Held>()
  readonly #talks = new Map<NodeId, Promise<void>>()
  #stopping = new AbortController()
  #handled = false

  constructor(parts: WordParts) {
    this.#parts = parts
    const { network, clock, random, timers, log } = parts
    const target = {
      self: network.self,
      isUp: (peer: NodeId) => this.#isSettled(peer),
      dial: async (member: Member, signal: AbortSignal) => {
        await network.dialFormer(member, signal)
        await this.#talks.get(member.id)
      },
    }
    this.#dialer = new MemberDialer(target, this.#owed(), clock, random, timers, log)
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    const { network } = this.#parts
    if (!this.#handled) {
      network.onFormer((peer) => this.#tell(peer))
      await network.handleFormer(WORD_PROTOCOL, (channel) => this.#serve(channel))
    }
    this.#handled = true
    await this.#dialer.start()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Fault('WORD_STOPPED', 'this node is stopping'))
    await this.#dialer.stop()
    await Promise.all(this.#talks.values())
  }

  /** Who holds this node to be out by a record that this node does not have. */
  heldEvictedBy(): { readonly by: NodeId; readonly held: Held }[] {
    const { node, tables } = this.#parts.journal
    return [...this.#heard]
      .filter(([, { op }]) => !isOverruled(op, node, tables))
      .map(([by, held]) => ({ by, held }))
  }

  /** The roster of those that are owed a word: out for less than a network key is good, and not settled. */
  #owed(): Roster {
    const { roster, clock } = this.#parts
    const isOwed = (node: NodeId) => {
      if (roster.get(node)?.state !== 'evicted') {
        this.#sinceMs.delete(node)
        return false
      }
      const since = this.#sinceMs.get(node) ?? clock.monotonic()
      this.#sinceMs.set(node, since)
      return clock.monotonic() - since < NETWORK_KEY_WINDOW_MS
    }
    return {
      get: (node) => roster.get(node),
      isMember: isOwed,
      members: () => roster.members().filter(({ id }) => isOwed(id)),
      onChange: (listener) => roster.onChange(listener),
    }
  }

  #isSettled(peer: NodeId): boolean {
    const until = this.#settled.get(peer)
    return until !== undefined && until > this.#parts.clock.monotonic()
  }

  #tell(peer: NodeId): void {
    if (this.#talks.has(peer) || this.#stopping.signal.aborted) return
    const { timers, network, log } = this.#parts
    const talk = this.#ask(peer)
      .catch((error: unknown) => log.debug({ peer, error }, 'a node that is out could not be told so'))
      .then(() => timers.sleep(PARTING_MS, this.#stopping.signal).catch(() => {}))
      .then(() => network.hangUp(peer))
      .catch(() => {})
      .then(() => {
        this.#talks.delete(peer)
      })
    this.#talks.set(peer, talk)
  }

  async #ask(peer: NodeId): Promise<void> {
    await this.#within(async (signal) => {
      const channel = await this.#parts.network.openFormer(peer, WORD_PROTOCOL, signal)
      try {
        const mine = this.#stand(peer)
        await channel.send(this.#hello(mine))
        const theirs = helloSchema.parse(await channel.receive(signal))
        const more = await this.#give(channel, mine, theirs.heads)
        const got = await this.#collect(channel, mine, signal)
        await channel.close()
        await this.#conclude(peer, mine.takes ? theirs.held : null, got, more)
      } catch (error) {
        channel.abort(error instanceof Error ? error : new Error(String(error)))
        throw error
      }
    })
  }

  async #serve(channel: Channel): Promise<void> {
    await this.#within(async (signal) => {
      const theirs = helloSchema.parse(await channel.receive(signal))
      const mine = this.#stand(channel.peer)
      await channel.send(this.#hello(mine))
      const got = await this.#collect(channel, mine, signal)
      const more = await this.#give(channel, mine, theirs.heads)
      // It has all once it closes; what is taken in now may end this node.
      await channel.receive(signal).catch(() => {})
      await this.#conclude(channel.peer, mine.takes ? theirs.held : null, got, more)
    })
  }

  /** Both ends have what was said. @param held what the other holds of this node, where that is listened to */
  async #conclude(peer: NodeId, held: Held | null, got: Got, more: boolean): Promise<void> {
    const { journal, log, clock, roster } = this.#parts
    const { applied } = got.blocks.length > 0 ? await journal.take(got.blocks, peer) : { applied: 0 }
    if (applied > 0) log.info({ peer, entries: applied }, 'a node of another half brought decisions')
    if (!more && !got.more && applied === 0) this.#settled.set(peer, clock.monotonic() + FORMER_SETTLED_MS)
    if (held === null || roster.get(journal.node)?.state === 'evicted') this.#heard.delete(peer)
    else if (held.compromised && this.#mustBelieve(peer, held)) this.#parts.onPutOut(peer, held)
    else if (!got.more) {
      if (!this.#heard.has(peer))
        log.warn({ peer, author: held.author, op: held.op }, 'a node holds that this one was evicted')
      this.#heard.set(peer, held)
    }
  }

  /** An anchor that belongs could evict this node itself; unless it only repeats who is out by what is known here. */
  #mustBelieve(peer: NodeId, { author, op }: Held): boolean {
    const { roster, journal } = this.#parts
    if (!roster.isMember(peer) || roster.get(peer)?.role !== 'anchor' || author === journal.node) return false
    const state = roster.get(author)?.state ?? 'member'
    return state === 'member' && !isOverruled(op, journal.node, journal.tables)
  }

  #stand(peer: NodeId): Stand {
    return standTowards(peer, this.#parts.journal)
  }

  #hello({ held, takes }: Stand) {
    // What it may not bring it need not know the place of, either.
    const heads = takes ? Object.entries(authorityOf(this.#parts.journal.frontier())) : []
    return { is: 'hello', held, heads }
  }

  /** @returns whether there is more than went */
  async #give(
    channel: Channel,
    { gives }: Stand,
    heads: readonly (readonly [string, number])[],
  ): Promise<boolean> {
    const there = new Map(heads)
    const ranges = Object.entries(gives ?? {})
      .map(([feed, to]) => ({ feed, from: (there.get(feed) ?? 0) + 1, to }))
      .filter(({ from, to }) => from <= to)
    let page: Uint8Array[] = []
    let [pageBytes, bytes] = [0, 0]
    let more = false
    if (ranges.length > 0)
      for await (const block of this.#parts.journal.blocks(ranges)) {
        if (bytes + block.length > FORMER_BYTES_MAX) {
          more = true
          break
        }
        page.push(block)
        pageBytes += block.length
        bytes += block.length
        if (pageBytes < WORD_PAGE_BYTES) continue
        await channel.send({ is: 'entries', blocks: page, last: false, more: false })
        page = []
        pageBytes = 0
      }
    await channel.send({ is: 'entries', blocks: page, last: true, more })
    return more
  }

  /** @throws Fault WORD_TOO_LONG when more comes than one conversation, or one node, may bring */
  async #collect(channel: Channel, { takes }: Stand, signal: AbortSignal): Promise<Got> {
    const { peer } = channel
    const blocks: Uint8Array[] = []
    let bytes = 0
    for (;;) {
      const page = entriesSchema.parse(await channel.receive(signal))
      for (const block of page.blocks) {
        bytes += block.length
        const taken = (this.#takenBytes.get(peer) ?? 0) + block.length
        const isTooMuch = taken > FORMER_TAKEN_BYTES_MAX && !this.#parts.roster.isMember(peer)
        if (bytes > FORMER_BYTES_MAX || isTooMuch)
          throw new Fault('WORD_TOO_LONG', 'a node that is out says more than is listened to', { peer })
        this.#takenBytes.set(peer, taken)
        if (takes && this.#parts.laneOf(block) === AUTHORITY) blocks.push(block)
      }
      if (page.last) return { blocks, more: page.more && page.blocks.length + blocks.length > 0 }
    }
  }

  async #within(talk: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new AbortController()
    const callOff = this.#parts.timers.after(FORMER_CONNECTION_MS_MAX, () =>
      limit.abort(new Fault('PEER_SILENT', 'the node takes too long', { ms: FORMER_CONNECTION_MS_MAX })),
    )
    try {
      await talk(AbortSignal.any([this.#stopping.signal, limit.signal]))
    } finally {
      callOff()
    }
  }
}
