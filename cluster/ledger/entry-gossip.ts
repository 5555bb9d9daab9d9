import { decode, encode } from 'cborg'
import { z } from 'zod'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import {
  GOSSIP_BLOCKS_BYTES_MAX,
  GOSSIP_BLOCKS_MAX,
  GOSSIP_QUEUE_BYTES_MAX,
  GOSSIP_REST_MS,
  PAGE_BYTES_MAX,
} from '../limits.ts'
import type { Network, NodeId } from '../network/network.ts'
import { topicsOf } from '../network/topics.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'

const messageSchema = z
  .array(z.custom<Uint8Array>((value) => value instanceof Uint8Array))
  .max(GOSSIP_BLOCKS_MAX)

interface Arrived {
  readonly block: Uint8Array
  readonly from: NodeId
}

/**
 * Freshness: tells the others of entries as soon as they are durable, and takes in theirs. A message is the
 * CBOR of a list of blocks: a lone one goes at once, those of a burst share messages. One lost, late or
 * dropped costs a few seconds at most; catching up does not depend on any.
 */
export class EntryGossip implements Startable {
  readonly #journal: ReplicatedJournal
  readonly #network: Network
  readonly #log: Logger
  readonly #onIncomplete: (peer: NodeId) => void
  readonly #timers: Timers
  #own: Uint8Array[] = []
  #ownBytes = 0
  #publishing: Promise<void> | undefined
  #arrived: Arrived[] = []
  #arrivedBytes = 0
  #taking: Promise<void> | undefined
  #stops: (() => void)[] = []

  /** @param onIncomplete told of a peer whose entry depends on what is not here */
  constructor(
    journal: ReplicatedJournal,
    network: Network,
    timers: Timers,
    log: Logger,
    onIncomplete: (peer: NodeId) => void,
  ) {
    this.#journal = journal
    this.#network = network
    this.#timers = timers
    this.#log = log
    this.#onIncomplete = onIncomplete
  }

  async start(): Promise<void> {
    const { entries } = topicsOf(this.#journal.cluster)
    this.#stops = [
      this.#network.subscribe(entries, (message, from) => this.#receive(message, from)),
      this.#journal.onOwnBlock((block) => this.#tell(entries, block)),
    ]
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#own = []
    this.#ownBytes = 0
    this.#arrived = []
    this.#arrivedBytes = 0
    await this.#taking
    await this.#publishing
  }

  #tell(topic: string, block: Uint8Array): void {
    if (this.#ownBytes + block.length > GOSSIP_QUEUE_BYTES_MAX) return
    this.#own.push(block)
    this.#ownBytes += block.length
    this.#publishing ??= this.#publish(topic)
  }

  async #publish(topic: string): Promise<void> {
    while (this.#own.length > 0) {
      const blocks = firstOf(this.#own, (block) => block.length, GOSSIP_BLOCKS_BYTES_MAX)
      this.#own = this.#own.slice(blocks.length)
      this.#ownBytes -= bytesOf(blocks)
      try {
        await this.#network.publish(topic, encode(blocks))
      } catch (error) {
        this.#log.debug({ error }, 'entries were not gossiped')
      }
      await this.#timers.sleep(GOSSIP_REST_MS)
    }
    this.#publishing = undefined
  }

  #receive(message: Uint8Array, from: NodeId): void {
    const blocks = readMessage(message)
    if (!blocks || this.#arrivedBytes + message.length > GOSSIP_QUEUE_BYTES_MAX) {
      this.#onIncomplete(from)
      return
    }
    for (const block of blocks) this.#arrived.push({ block, from })
    this.#arrivedBytes += bytesOf(blocks)
    this.#taking ??= this.#take()
  }

  /** Takes what has come in groups: what arrives while one is written makes up the next. */
  async #take(): Promise<void> {
    while (this.#arrived.length > 0) {
      const group = firstOf(this.#arrived, ({ block }) => block.length, PAGE_BYTES_MAX)
      const blocks = group.map(({ block }) => block)
      this.#arrived = this.#arrived.slice(group.length)
      this.#arrivedBytes -= bytesOf(blocks)
      const from = (group.at(-1) as Arrived).from
      try {
        const taken = await this.#journal.take(blocks, from)
        if (taken.incomplete)
          for (const peer of new Set(group.map(({ from }) => from))) this.#onIncomplete(peer)
      } catch (error) {
        this.#log.error({ error }, 'gossiped entries could not be taken in')
      }
    }
    this.#taking = undefined
  }
}

/** As many from the front as stay within the bound, one at least. */
function firstOf<T>(queue: readonly T[], size: (item: T) => number, bytesMax: number): T[] {
  let bytes = 0
  const end = queue.findIndex((item, index) => {
    bytes += size(item)
    return index > 0 && bytes > bytesMax
  })
  return queue.slice(0, end === -1 ? queue.length : end)
}

function bytesOf(blocks: readonly Uint8Array[]): number {
  return blocks.reduce((sum, block) => sum + block.length, 0)
}

function readMessage(message: Uint8Array): Uint8Array[] | undefined {
  try {
    return messageSchema.parse(decode(message))
  } catch {
    return undefined
  }
}
