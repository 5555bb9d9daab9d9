import type { GossipSub } from '@libp2p/gossipsub'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'

type Decode = (frame: unknown) => unknown
type OnStreamError = (error: unknown, peer: { toString(): string }) => void

/** gossipsub's own methods, in which frames vanish without a word; as in 17.1.1, checked at start. */
interface Internals {
  decodeRpc: Decode
  handlePeerReadStreamError: OnStreamError
}

/** Counts the frames of gossip that are thrown away unread: too large, too many of anything in them, or no frames. */
export class GossipRefusals {
  readonly #log: Logger
  readonly #counts = new Map<string, number>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** How often each reason made a frame be thrown away since the node started. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** @throws Fault GOSSIP_UNSUPPORTED when gossipsub is another than the one this was written for */
  watch(pubsub: GossipSub): void {
    const internals = pubsub as unknown as Internals
    const { decodeRpc, handlePeerReadStreamError } = internals
    if (typeof decodeRpc !== 'function' || typeof handlePeerReadStreamError !== 'function')
      throw new Fault('GOSSIP_UNSUPPORTED', 'this version of gossipsub hides what it throws away')
    internals.decodeRpc = (frame) => {
      try {
        return decodeRpc.call(pubsub, frame)
      } catch (error) {
        this.#count('GOSSIP_FRAME_REFUSED', { error })
        throw error
      }
    }
    internals.handlePeerReadStreamError = (error, peer) => {
      // A frame whose length is beyond the bound; any other end of a stream is no news.
      if ((error as { name?: string }).name === 'InvalidDataLengthError')
        this.#count('GOSSIP_FRAME_TOO_LARGE', { from: peer.toString() })
      handlePeerReadStreamError.call(pubsub, error, peer)
    }
  }

  #count(code: string, facts: object): void {
    const times = (this.#counts.get(code) ?? 0) + 1
    this.#counts.set(code, times)
    // Ever more seldom: who floods us is not to flood the log.
    if ((times & (times - 1)) === 0)
      this.#log.warn({ code, times, ...facts }, 'a frame of gossip is thrown away')
  }
}
