import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import { GOSSIP_QUEUE_BYTES_MAX, PAGE_BYTES_MAX } from '../limits.ts'
import type { Network, NodeId } from '../network/network.ts'
import { topicsOf } from '../network/topics.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'

interface Arrived {
  readonly block: Uint8Array
  readonly from: NodeId
}

/**
 * Freshness: tells the others of each entry as soon as it is durable, and takes in theirs. A message lost,
 * late or dropped here costs a few seconds at most; catching up does not depend on any.
 */
export class EntryGossip implements Startable {
  readonly #journal: ReplicatedJournal
  readonly #network: Network
  readonly #log: Logger
  readonly #onIncomplete: (peer: NodeId) => void
  readonly #publishing = new Set<Promise<void>>()
  #arrived: Arrived[] = []
  #arrivedBytes = 0
  #taking: Promise<void> | undefined
  #stops: (() => void)[] = []

  /** @param onIncomplete told of a peer whose entry depends on what is not here */
  constructor(
    journal: ReplicatedJournal,
    network: Network,
    log: Logger,
    onIncomplete: (peer: NodeId) => void,
  ) {
    this.#journal = journal
    this.#network = network
    this.#log = log
    this.#onIncomplete = onIncomplete
  }

  async start(): Promise<void> {
    const { entries } = topicsOf(this.#journal.cluster)
    this.#stops = [
      this.#network.subscribe(entries, (block, from) => this.#receive({ block, from })),
      this.#journal.onOwnBlock((block) => this.#publish(entries, block)),
    ]
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#arrived = []
    this.#arrivedBytes = 0
    await this.#taking
    await Promise.all(this.#publishing)
  }

  #publish(topic: string, block: Uint8Array): void {
    const publishing = this.#network
      .publish(topic, block)
      .catch((error: unknown) => this.#log.debug({ error }, 'an entry was not gossiped'))
      .then(() => {
        this.#publishing.delete(publishing)
      })
    this.#publishing.add(publishing)
  }

  #receive(arrived: Arrived): void {
    if (this.#arrivedBytes + arrived.block.length > GOSSIP_QUEUE_BYTES_MAX) {
      this.#onIncomplete(arrived.from)
      return
    }
    this.#arrived.push(arrived)
    this.#arrivedBytes += arrived.block.length
    this.#taking ??= this.#take()
  }

  /** Takes what has come in groups: what arrives while one is written makes up the next. */
  async #take(): Promise<void> {
    while (this.#arrived.length > 0) {
      const group: Arrived[] = []
      let bytes = 0
      while (this.#arrived.length > group.length && bytes < PAGE_BYTES_MAX) {
        const next = this.#arrived[group.length] as Arrived
        group.push(next)
        bytes += next.block.length
      }
      this.#arrived = this.#arrived.slice(group.length)
      this.#arrivedBytes -= bytes
      const from = (group.at(-1) as Arrived).from
      try {
        const taken = await this.#journal.take(
          group.map(({ block }) => block),
          from,
        )
        if (taken.incomplete)
          for (const peer of new Set(group.map(({ from }) => from))) this.#onIncomplete(peer)
      } catch (error) {
        this.#log.error({ error }, 'gossiped entries could not be taken in')
      }
    }
    this.#taking = undefined
  }
}
