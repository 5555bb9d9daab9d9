import type { Connection, Stream } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { PING_INTERVAL_MS } from '../limits.ts'
import { PING_PROTOCOL } from './libp2p-node.ts'
import type { Links } from './links.ts'
import type { NodeId } from './network.ts'

/** libp2p's ping: so many random bytes, which come back. */
const PING_BYTES = 32
/** A round that comes later than this says that this process stood still, not that others did. */
const LATE_MS = 1_000

/** The pings over one connection. */
interface Line {
  readonly peer: NodeId
  stream: Stream | undefined
  /** Monotonic milliseconds. */
  askedAt: number
  /** Bytes of the answer that are still to come. */
  owed: number
}

/**
 * Asks every connection to a member for a sign of life, and measures how long that takes; one that gives none until
 * the next round is aborted. The pings of a connection share a stream, as the specification allows: libp2p's monitor
 * and its ping service open one for each, which makes eleven frames of two.
 *
 * https://github.com/libp2p/specs/blob/master/ping/ping.md
 */
export class Pulse implements Startable {
  readonly #links: Pick<Links, 'up' | 'connections' | 'measured'>
  readonly #clock: Clock
  readonly #random: Random
  readonly #timers: Timers
  readonly #lines = new Map<Connection, Line>()
  readonly #stopping = new AbortController()
  #running = Promise.resolve()

  constructor(
    links: Pick<Links, 'up' | 'connections' | 'measured'>,
    clock: Clock,
    random: Random,
    timers: Timers,
  ) {
    this.#links = links
    this.#clock = clock
    this.#random = random
    this.#timers = timers
  }

  async start(): Promise<void> {
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Fault('NETWORK_STOPPED', 'this node is stopping'))
    await this.#running
  }

  /** Does not wait for the next round. */
  beat(connection: Connection): void {
    const line = this.#lines.get(connection) ?? {
      peer: connection.remotePeer.toString(),
      stream: undefined,
      askedAt: 0,
      owed: 0,
    }
    this.#lines.set(connection, line)
    if (line.owed > 0) return
    line.owed = PING_BYTES
    line.askedAt = this.#clock.monotonic()
    void this.#ask(connection, line).catch((error) => this.#lost(connection, error))
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      const dueAt = this.#clock.monotonic() + PING_INTERVAL_MS
      await this.#timers.sleep(PING_INTERVAL_MS, signal).catch(() => {})
      if (signal.aborted) return
      const now = this.#clock.monotonic()
      const isLate = now > dueAt + LATE_MS
      const open = this.#links.up().flatMap((peer) => this.#links.connections(peer))
      for (const connection of this.#lines.keys())
        if (!open.includes(connection)) this.#lines.delete(connection)
      for (const connection of open) {
        const line = this.#lines.get(connection)
        const isSilent = line !== undefined && line.owed > 0 && now - line.askedAt >= PING_INTERVAL_MS
        if (!isSilent) this.beat(connection)
        else if (!isLate) this.#lost(connection, undefined)
      }
    }
  }

  async #ask(connection: Connection, line: Line): Promise<void> {
    const stream = line.stream ?? (await this.#open(connection, line))
    line.askedAt = this.#clock.monotonic()
    stream.send(this.#random.bytes(PING_BYTES))
  }

  async #open(connection: Connection, line: Line): Promise<Stream> {
    const stream = await connection.newStream(PING_PROTOCOL, { signal: this.#stopping.signal })
    line.stream = stream
    stream.addEventListener('message', ({ data }) => {
      if (line.owed === 0) return
      line.owed = Math.max(0, line.owed - data.byteLength)
      if (line.owed === 0) this.#links.measured(line.peer, this.#clock.monotonic() - line.askedAt)
    })
    stream.addEventListener('close', () => {
      line.stream = undefined
      // The other end closes a stream that has served for long; what was asked on it is asked on the next.
      line.owed = 0
    })
    return stream
  }

  #lost(connection: Connection, cause: unknown): void {
    if (this.#stopping.signal.aborted) return
    this.#lines.delete(connection)
    const peer = connection.remotePeer.toString()
    connection.abort(new Fault('PEER_UNREACHABLE', 'the member does not answer', { peer }, cause))
  }
}
