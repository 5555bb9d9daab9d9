import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { NodeId } from './network.ts'

/**
 * Reads each member's gossip no faster than a rate, by pausing its streams: the muxer's window then
 * fills and the sender waits. gossipsub itself takes whatever comes into an unbounded queue.
 * One budget per member, not per stream: opening another stream wins nothing.
 */
export class GossipMeter {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #bytesPerSecond: number
  readonly #burstBytes: number
  readonly #budgets = new Map<NodeId, { bytes: number; at: number }>()

  constructor(clock: Clock, timers: Timers, bytesPerSecond: number, burstBytes: number) {
    this.#clock = clock
    this.#timers = timers
    this.#bytesPerSecond = bytesPerSecond
    this.#burstBytes = burstBytes
  }

  /** From now on the stream counts, and waits when its member has sent too much. */
  watch(stream: Stream, peer: NodeId): void {
    whenRead(stream, ({ data }) => {
      const waitMs = this.spend(peer, data.byteLength)
      if (waitMs <= 0 || stream.readStatus !== 'readable') return
      stream.pause()
      this.#timers.after(waitMs, () => {
        if (stream.readStatus === 'paused') stream.resume()
      })
    })
  }

  /** Takes `bytes` from the peer's budget. @returns how long to wait until it is no longer overdrawn, ms */
  spend(peer: NodeId, bytes: number): number {
    const now = this.#clock.monotonic()
    const budget = this.#budgets.get(peer) ?? { bytes: this.#burstBytes, at: now }
    const earned = ((now - budget.at) * this.#bytesPerSecond) / 1000
    budget.bytes = Math.min(this.#burstBytes, budget.bytes + earned) - bytes
    budget.at = now
    this.#budgets.set(peer, budget)
    return budget.bytes >= 0 ? 0 : Math.ceil((-budget.bytes * 1000) / this.#bytesPerSecond)
  }

  /** For members that left: their budget goes with them. */
  forget(peer: NodeId): void {
    this.#budgets.delete(peer)
  }
}

/**
 * Adds a listener for data right after the first one of somebody else. A libp2p stream hands what it
 * holds to whoever listens first: being that one would lose the peer's first frame for gossipsub.
 */
function whenRead(stream: Stream, listener: (event: StreamMessageEvent) => void): void {
  const add = stream.addEventListener.bind(stream) as (type: string, ...rest: unknown[]) => void
  stream.addEventListener = (type: string, ...rest: unknown[]) => {
    add(type, ...rest)
    if (type !== 'message') return
    stream.addEventListener = add
    add('message', listener)
  }
}
