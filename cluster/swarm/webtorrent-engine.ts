import type WebTorrent from 'webtorrent'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { NodeId } from '../network/network.ts'
import type { Engine, PieceBytes, Session, SessionInit } from './engine.ts'
import { ReadAhead } from './read-ahead.ts'
import type { Torrent } from './torrent.ts'
import { createClient } from './webtorrent-private.ts'
import { WebTorrentSession } from './webtorrent-session.ts'

export interface WebTorrentEngineComponents {
  readonly self: NodeId
  readonly logger: Logger
  readonly random: Random
}

export interface WebTorrentEngineInit {
  /** Bytes a second this node sends by torrent at most; no bound where absent. */
  readonly uploadBytesPerSecond?: number | undefined
}

/** BitTorrent by webtorrent, in this thread, with nothing on that finds peers or opens ports by itself. */
export class WebTorrentEngine implements Engine {
  readonly #components: WebTorrentEngineComponents
  readonly #init: WebTorrentEngineInit
  readonly #readAhead = new ReadAhead()
  readonly #sessions = new Set<WebTorrentSession>()
  #client: WebTorrent | undefined

  constructor(components: WebTorrentEngineComponents, init: WebTorrentEngineInit = {}) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<void> {
    const { uploadBytesPerSecond } = this.#init
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
      ...(uploadBytesPerSecond !== undefined && { uploadLimit: uploadBytesPerSecond }),
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
      { ...this.#components, client, readAhead: this.#readAhead },
      torrent,
      bytes,
      init,
      () => this.#sessions.delete(session),
    )
    this.#sessions.add(session)
    return session
  }
}
