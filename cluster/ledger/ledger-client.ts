import { Fault } from '../../src/errors.ts'
import { type Lane, parseFeedId } from '../../src/journal/op.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { ANSWER_MS_MAX } from '../limits.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import { LEDGER_PROTOCOL, readAnswer, readHeads, writeHeads } from './messages.ts'
import type { Heads, Position } from './position.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'
import { receiveWithin } from './waiting.ts'

/** Where we and a peer stood at one moment; `there` is undefined where both stand the same. */
export interface Comparison {
  readonly here: Position
  readonly there: Heads | undefined
  readonly stateHash: string | null
}

export interface Pulled {
  readonly applied: number
  readonly refused: number
  /** The peer sent a page none of which could be used: no more of it was taken. */
  readonly stuck: boolean
  /** Lanes whose log the peer no longer has from where we need it. */
  readonly pruned: readonly Lane[]
}

/** The asking side of one conversation; see messages.ts. */
export class LedgerClient {
  readonly #journal: ReplicatedJournal
  readonly #channel: Channel
  readonly #timers: Timers
  readonly #signal: AbortSignal
  /** A page is under way that nobody will read. */
  #unread = false

  private constructor(journal: ReplicatedJournal, channel: Channel, timers: Timers, signal: AbortSignal) {
    this.#journal = journal
    this.#channel = channel
    this.#timers = timers
    this.#signal = signal
  }

  /** Runs `talk` over a channel of its own, ended in order where `talk` ends in order. */
  static async with<T>(
    parts: { journal: ReplicatedJournal; network: Network; timers: Timers },
    peer: NodeId,
    signal: AbortSignal,
    talk: (client: LedgerClient) => Promise<T>,
  ): Promise<T> {
    const channel = await parts.network.open(peer, LEDGER_PROTOCOL, signal)
    try {
      const client = new LedgerClient(parts.journal, channel, parts.timers, signal)
      const result = await talk(client)
      if (client.#unread)
        channel.abort(new Fault('PEER_USELESS', 'the peer sends nothing that helps', { peer }))
      else await channel.close()
      return result
    } catch (error) {
      channel.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  async compare(): Promise<Comparison> {
    const here = this.#journal.position()
    await this.#channel.send({ is: 'hello', digest: here.digest, stateHash: here.stateHash })
    const hello = readAnswer('hello', await this.#receive())
    if (hello.digest === here.digest) return { here, there: undefined, stateHash: hello.stateHash }
    await this.#channel.send({ is: 'heads', heads: writeHeads(here.heads) })
    const { heads } = readAnswer('heads', await this.#receive())
    return { here, there: readHeads(heads), stateHash: hello.stateHash }
  }

  /**
   * Takes in what the peer has and we lack. The next page is under way while one is taken in.
   * @param without lanes that are left for later
   */
  async pull({ there }: Pick<Comparison, 'there'>, without: ReadonlySet<Lane> = new Set()): Promise<Pulled> {
    const pulled = { applied: 0, refused: 0, stuck: false, pruned: [] as Lane[] }
    const wanted = there ? this.#journal.wanted(there) : []
    const of = (lanes: ReadonlySet<Lane>) =>
      wanted.filter(({ feed }) => !without.has(parseFeedId(feed).lane) && !lanes.has(parseFeedId(feed).lane))
    let ranges = of(new Set())
    if (ranges.length === 0) return pulled
    await this.#channel.send({ is: 'want', ranges })
    for (let last = false; !last; ) {
      const page = readAnswer('page or pruned', await this.#receive())
      if (page.is === 'pruned') {
        pulled.pruned = page.lanes.map(({ lane }) => lane)
        const fewer = of(new Set(pulled.pruned))
        // An answer that takes nothing away would be asked for again and again.
        if (fewer.length === 0 || fewer.length === ranges.length) return pulled
        ranges = fewer
        await this.#channel.send({ is: 'want', ranges })
        continue
      }
      last = page.last
      if (!last) await this.#channel.send({ is: 'more' })
      const taken = await this.#journal.take(page.blocks, this.#channel.peer)
      pulled.applied += taken.applied
      pulled.refused += taken.refused
      // Or a peer could keep us busy for ever.
      pulled.stuck = taken.applied === 0
      if (pulled.stuck) {
        this.#unread = !last
        break
      }
    }
    return pulled
  }

  async #receive(): Promise<unknown> {
    const message = await receiveWithin(this.#channel, this.#timers, ANSWER_MS_MAX, this.#signal)
    if (message === undefined) {
      throw new Fault('CHANNEL_BROKEN', 'the peer ended the conversation', { peer: this.#channel.peer })
    }
    return message
  }
}
