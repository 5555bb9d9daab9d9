import { Fault } from '../../src/errors.ts'
import type { Frontier } from '../../src/journal/op.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import { within } from '../swarm/waiting.ts'
import { ANSWER_MS_MAX, DIGESTS_ASKED_MAX } from './limits.ts'
import { PLACEMENT_PROTOCOL, type PlacementRequest, type Progress, readAnswer } from './placement-protocol.ts'

export type Have = 'whole' | 'part' | 'none'
const HAVE: Readonly<Record<string, Have>> = { w: 'whole', p: 'part', n: 'none' }

/** Asks members what they keep, and has them keep more. */
export class PlacementClient {
  readonly #network: Pick<Network, 'open'>
  readonly #timers: Timers

  constructor(parts: { readonly network: Pick<Network, 'open'>; readonly timers: Timers }) {
    this.#network = parts.network
    this.#timers = parts.timers
  }

  /**
   * What a member has of each blob, in their order.
   * @throws Fault PEER_UNREACHABLE, TIMED_OUT
   */
  async held(member: NodeId, digests: readonly Digest[], signal: AbortSignal): Promise<Have[]> {
    return this.#talk(member, signal, async (ask) => {
      const all: Have[] = []
      for (let at = 0; at < digests.length; at += DIGESTS_ASKED_MAX) {
        const some = digests.slice(at, at + DIGESTS_ASKED_MAX)
        const { held } = readAnswer('held', await ask({ ask: 'held', digests: some }))
        if (held.length !== some.length)
          throw new Fault('MESSAGE_INVALID', 'an answer is not as long as asked')
        for (const letter of held) all.push(HAVE[letter] ?? 'none')
      }
      return all
    })
  }

  /**
   * Resolves when a member has the records that far and the blobs, whole and durable.
   * @throws Fault PEER_UNREACHABLE, TIMED_OUT, PLACEMENT_REFUSED
   */
  async keep(
    member: NodeId,
    digests: readonly Digest[],
    records: Frontier,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#talk(member, signal, async (ask, next) => {
      for (let at = 0; at === 0 || at < digests.length; at += DIGESTS_ASKED_MAX) {
        const some = digests.slice(at, at + DIGESTS_ASKED_MAX)
        let answer = readAnswer('keep', await ask({ ask: 'keep', digests: some, records }))
        while ('pending' in answer) answer = readAnswer('keep', await next())
      }
    })
  }

  /** By project id. @throws Fault PEER_UNREACHABLE, TIMED_OUT */
  async progress(member: NodeId, signal: AbortSignal): Promise<Readonly<Record<string, Progress>>> {
    return this.#talk(member, signal, async (ask) => {
      return readAnswer('progress', await ask({ ask: 'progress' })).projects
    })
  }

  async #talk<T>(
    member: NodeId,
    signal: AbortSignal,
    task: (ask: (request: PlacementRequest) => Promise<unknown>, next: () => Promise<unknown>) => Promise<T>,
  ): Promise<T> {
    const inTime = <R>(step: (signal: AbortSignal) => Promise<R>) =>
      within(this.#timers, ANSWER_MS_MAX, signal, step)
    const channel = await inTime((signal) => this.#network.open(member, PLACEMENT_PROTOCOL, signal))
    const next = () => inTime((signal) => receive(channel, signal))
    try {
      const done = await task(async (request) => {
        await inTime(() => channel.send(request))
        return next()
      }, next)
      await channel.close()
      return done
    } catch (error) {
      channel.abort(error as Error)
      throw error
    }
  }
}

async function receive(channel: Channel, signal: AbortSignal): Promise<unknown> {
  const message = await channel.receive(signal)
  if (message !== undefined) return message
  throw new Fault('CHANNEL_ENDED', 'the member ended the channel', { member: channel.peer })
}
