import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { CHANNEL_LINGER_MS } from '../limits.ts'
import { StreamChannel } from './channel.ts'
import type { Channel } from './network.ts'

/** Runs the handlers of our protocols and owns them until they end. */
export class Serving {
  readonly #timers: Timers
  readonly #log: Logger
  readonly #running = new Map<Promise<void>, Channel>()

  constructor(timers: Timers, log: Logger) {
    this.#timers = timers
    this.#log = log
  }

  /**
   * @param admits whether a stream on that connection may be served at all
   * @param serve the channel is closed when it resolves, aborted when it rejects
   */
  handler(
    protocol: string,
    admits: (connection: Connection) => boolean,
    serve: (channel: Channel, connection: Connection) => Promise<void>,
  ): StreamHandler {
    return (stream, connection) => {
      if (!admits(connection)) {
        stream.abort(new Fault('PEER_NOT_MEMBER', 'this protocol is for members only'))
        return
      }
      const channel = new StreamChannel(stream, connection.remotePeer.toString())
      const running = this.#run(protocol, stream, channel, () => serve(channel, connection))
      this.#running.set(running, channel)
      void running.then(() => this.#running.delete(running))
    }
  }

  /** Waits for the handlers, whose channels are broken now; a handler that does not notice is left behind. */
  async stop(): Promise<void> {
    const stopping = new Fault('NETWORK_STOPPED', 'this node is stopping')
    for (const channel of this.#running.values()) channel.abort(stopping)
    const patience = new AbortController()
    const late = this.#timers.sleep(CHANNEL_LINGER_MS, patience.signal).then(
      () => this.#log.warn({ handlers: this.#running.size }, 'handlers outlive their aborted channels'),
      () => {},
    )
    await Promise.race([Promise.all(this.#running.keys()), late])
    patience.abort()
  }

  async #run(protocol: string, stream: Stream, channel: Channel, serve: () => Promise<void>): Promise<void> {
    try {
      await serve()
    } catch (error) {
      this.#log.debug({ protocol, peer: channel.peer, error }, 'a channel ended with an error')
      channel.abort(error instanceof Error ? error : new Error(String(error)))
      return
    }
    // A peer that neither reads the rest nor closes its side keeps the stream no longer than this.
    const callOff = this.#timers.after(CHANNEL_LINGER_MS, () =>
      channel.abort(new Fault('CHANNEL_BROKEN', 'the peer did not end the channel')),
    )
    stream.addEventListener('close', callOff, { once: true })
    await channel.close()
  }
}
