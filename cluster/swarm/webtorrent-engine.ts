import type WebTorrent from 'webtorrent'
import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { NodeId } from '../network/network.ts'
import type { PieceBytes, Session, SessionInit } from './engine.ts'
import { Bucket, type Pace } from './pace.ts'
import { PiecePool } from './piece-pool.ts'
import { ReadAhead } from './read-ahead.ts'
import type { Torrent } from './torrent.ts'
import { createClient } from './webtorrent-private.ts'
import { WebTorrentSession } from './webtorrent-session.ts'

export interface WebTorrentEngineComponents {
  readonly self: NodeId
  readonly logger: Logger
  readonly random: Random
  readonly clock: Clock
  readonly timers: Timers
}

export interface WebTorrentEngineInit {
  /** Bytes a second this node sends by torrent at most; no bound where absent. */
  readonly uploadBytesPerSecond?: number | undefined
}

/** BitTorrent by webtorrent, on sockets it is handed, with nothing on that finds peers or opens ports by itself. */
export class WebTorrentEngine implements Startable {
  readonly #components: WebTorrentEngineComponents
  readonly #pace: Pace | undefined
  readonly #pool = new PiecePool()
  readonly #readAhead = new ReadAhead(this.#pool)
  readonly #sessions = new Set<WebTorrentSession>()
  #client: WebTorrent | undefined

  constructor(components: WebTorrentEngineComponents, init: WebTorrentEngineInit = {}) {
    this.#components = components
    const { uploadBytesPerSecond } = init
    this.#pace =
      uploadBytesPerSecond === undefined ? undefined : new Bucket(components.clock, uploadBytesPerSecond)
  }

  async start(): Promise<void> {
    const client = createClient({
      dht: false,
      lsd: false,
      tracker: false,
      natUpnp: false,
      natPmp: false,
      utPex: false,
      webSeeds: false,
      utp: false,
      secure: 0,
      maxConns: 1,
    })
    // An error of a torrent whose session is over ends here; without a listener it would end the process.
    client.on('error', (error: unknown) => {
      this.#components.logger.warn({ err: error }, 'swarm: the torrent client failed')
    })
    this.#client = client
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.stop()))
    const client = this.#client
    this.#client = undefined
    if (client && !client.destroyed) await new Promise<void>((resolve) => client.destroy(() => resolve()))
  }

  join(torrent: Torrent, bytes: PieceBytes, init: SessionInit): Session {
    const client = this.#client
    if (!client) throw new Fault('SWARM_STOPPED', 'the swarm of this node does not run')
    const session = new WebTorrentSession(
      { ...this.#components, client, readAhead: this.#readAhead, pool: this.#pool, pace: this.#pace },
      torrent,
      bytes,
      init,
      () => this.#sessions.delete(session),
    )
    this.#sessions.add(session)
    return session
  }
}
