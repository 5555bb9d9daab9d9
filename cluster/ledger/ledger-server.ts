import { Fault } from '../../src/errors.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import {
  CONVERSATION_IDLE_MS_MAX,
  CONVERSATIONS_PER_PEER_MAX,
  PAGE_BLOCKS_MAX,
  PAGE_BYTES_MAX,
} from '../limits.ts'
import type { Channel, NodeId } from '../network/network.ts'
import { type Question, readHeads, readQuestion, writeHeads } from './messages.ts'
import type { Heads, Position } from './position.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'
import type { FeedRange } from './stored-feeds.ts'
import { receiveWithin } from './waiting.ts'

/** Told where a peer said it stands; `there` is undefined where it stands where we do. */
export type OnCompared = (
  peer: NodeId,
  here: Position,
  there: Heads | undefined,
  stateHash: string | null,
) => void

interface Conversation {
  readonly channel: Channel
  here: Position
  theirStateHash: string | null
  pages: AsyncGenerator<Uint8Array> | undefined
}

/** Answers peers' questions about the ledger; see messages.ts. */
export class LedgerServer {
  readonly #journal: ReplicatedJournal
  readonly #timers: Timers
  readonly #onCompared: OnCompared
  readonly #conversations = new Map<NodeId, number>()

  constructor(journal: ReplicatedJournal, timers: Timers, onCompared: OnCompared) {
    this.#journal = journal
    this.#timers = timers
    this.#onCompared = onCompared
  }

  /** One conversation, until the peer ends it. */
  async serve(channel: Channel): Promise<void> {
    const running = this.#conversations.get(channel.peer) ?? 0
    if (running >= CONVERSATIONS_PER_PEER_MAX) {
      throw new Fault('PEER_BUSY', 'the peer holds too many conversations open', { peer: channel.peer })
    }
    this.#conversations.set(channel.peer, running + 1)
    const talk: Conversation = {
      channel,
      here: this.#journal.position(),
      theirStateHash: null,
      pages: undefined,
    }
    try {
      for (;;) {
        const message = await receiveWithin(channel, this.#timers, CONVERSATION_IDLE_MS_MAX)
        if (message === undefined) return
        await this.#answer(talk, readQuestion(message))
      }
    } finally {
      await talk.pages?.return(undefined)
      const left = (this.#conversations.get(channel.peer) ?? 1) - 1
      if (left === 0) this.#conversations.delete(channel.peer)
      else this.#conversations.set(channel.peer, left)
    }
  }

  async #answer(talk: Conversation, question: Question): Promise<void> {
    const { channel } = talk
    switch (question.is) {
      case 'hello':
        talk.here = this.#journal.position()
        talk.theirStateHash = question.stateHash
        await channel.send({ is: 'hello', digest: talk.here.digest, stateHash: talk.here.stateHash })
        if (question.digest === talk.here.digest) {
          this.#onCompared(channel.peer, talk.here, undefined, question.stateHash)
        }
        return
      case 'heads':
        await channel.send({ is: 'heads', heads: writeHeads(talk.here.heads) })
        this.#onCompared(channel.peer, talk.here, readHeads(question.heads), talk.theirStateHash)
        return
      case 'want':
        await talk.pages?.return(undefined)
        talk.pages = undefined
        await this.#begin(talk, question.ranges)
        return
      case 'more':
        await this.#sendPage(talk)
    }
  }

  async #begin(talk: Conversation, ranges: readonly FeedRange[]): Promise<void> {
    const lanes = this.#journal.lanes.pruned(ranges)
    if (lanes.length > 0) {
      await talk.channel.send({ is: 'pruned', lanes })
      return
    }
    talk.pages = this.#journal.blocks(this.#journal.lanes.held(ranges))
    await this.#sendPage(talk)
  }

  async #sendPage(talk: Conversation): Promise<void> {
    const blocks: Uint8Array[] = []
    let bytes = 0
    let last = talk.pages === undefined
    while (talk.pages && bytes < PAGE_BYTES_MAX && blocks.length < PAGE_BLOCKS_MAX) {
      const next = await talk.pages.next()
      if (next.done) {
        last = true
        talk.pages = undefined
      } else {
        blocks.push(next.value)
        bytes += next.value.length
      }
    }
    await talk.channel.send({ is: 'page', blocks, last })
  }
}
