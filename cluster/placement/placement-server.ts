import { Fault, isFault } from '../../src/errors.ts'
import { type Frontier, parseFeedId } from '../../src/journal/op.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Channel, NodeId } from '../network/network.ts'
import { Change, within } from '../swarm/waiting.ts'
import { ANSWER_MS_MAX, KEEP_MS_MAX, KEEPS_PER_MEMBER_MAX, PENDING_INTERVAL_MS } from './limits.ts'
import { type PlacementRequest, type Progress, readRequest } from './placement-protocol.ts'
import type { Records } from './records.ts'

export interface PlacementServerParts {
  readonly records: Pick<Records, 'frontier' | 'onChange'>
  readonly timers: Timers
  holding(digest: Digest): Promise<'whole' | 'part' | 'none'>
  /** Resolves when the blob is here. @throws Fault where it cannot be fetched, or this node may not have it */
  bring(digest: Digest): Promise<void>
  progress(): ReadonlyMap<string, Progress>
}

/** Answers members that ask what this node keeps, or that it keep something. */
export class PlacementServer {
  readonly #parts: PlacementServerParts
  readonly #keeps = new Map<NodeId, number>()

  constructor(parts: PlacementServerParts) {
    this.#parts = parts
  }

  /** Answers one channel until the other end closes it. */
  async serve(channel: Channel, signal: AbortSignal): Promise<void> {
    const { timers } = this.#parts
    for (;;) {
      const message = await within(timers, ANSWER_MS_MAX, signal, (signal) => channel.receive(signal))
      if (message === undefined) return
      await this.#answer(channel, readRequest(message), signal)
    }
  }

  async #answer(channel: Channel, request: PlacementRequest, signal: AbortSignal): Promise<void> {
    switch (request.ask) {
      case 'held': {
        const letters: string[] = []
        for (const digest of request.digests) letters.push((await this.#parts.holding(digest)).charAt(0))
        return channel.send({ held: letters.join('') })
      }
      case 'keep':
        return this.#keep(channel, request.digests, request.records, signal)
      case 'progress':
        return channel.send({ projects: Object.fromEntries(this.#parts.progress()) })
    }
  }

  async #keep(
    channel: Channel,
    digests: readonly Digest[],
    records: Frontier,
    signal: AbortSignal,
  ): Promise<void> {
    const { peer } = channel
    const open = this.#keeps.get(peer) ?? 0
    if (open >= KEEPS_PER_MEMBER_MAX)
      return channel.send({ refused: 'too much is being kept for you already' })
    this.#keeps.set(peer, open + 1)
    const { timers } = this.#parts
    try {
      const keeping = within(timers, KEEP_MS_MAX, signal, async (signal) => {
        // The records first: what may be here is asked of them.
        await this.#known(records, peer, signal)
        await Promise.all(digests.map((digest) => this.#parts.bring(digest)))
      })
      const outcome = keeping.then(
        () => ({ kept: true }),
        (error: unknown) => ({ refused: isFault(error) ? error.message.slice(0, 300) : 'the node failed' }),
      )
      for (;;) {
        const done = new AbortController()
        const pause = timers.sleep(PENDING_INTERVAL_MS, AbortSignal.any([signal, done.signal])).then(
          () => ({ pending: true }),
          () => outcome,
        )
        const said = await Promise.race([outcome, pause]).finally(() => done.abort())
        await channel.send(said)
        if (!('pending' in said)) return
      }
    } finally {
      const left = (this.#keeps.get(peer) ?? 1) - 1
      if (left === 0) this.#keeps.delete(peer)
      else this.#keeps.set(peer, left)
    }
  }

  /** Until the asker's own records are here that far. */
  async #known(wanted: Frontier, peer: NodeId, signal: AbortSignal): Promise<void> {
    const { records } = this.#parts
    for (const feed of Object.keys(wanted)) {
      if (authorOf(feed) !== peer) throw new Fault('MESSAGE_INVALID', 'only one’s own records are waited for')
    }
    const change = new Change()
    const unfollow = records.onChange(() => change.announce())
    try {
      for (;;) {
        const frontier = records.frontier()
        if (Object.entries(wanted).every(([feed, seq]) => (frontier[feed] ?? 0) >= seq)) return
        await change.next(signal)
      }
    } finally {
      unfollow()
    }
  }
}

function authorOf(feed: string): NodeId | undefined {
  try {
    return parseFeedId(feed).author
  } catch {
    return undefined
  }
}
