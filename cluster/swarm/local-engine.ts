import type { Duplex } from 'node:stream'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import type { Connection, Engine, EngineInit, PieceBytes, Session, SessionInit } from './engine.ts'
import type { WireLinks } from './engine-links.ts'
import { peekInfoHash } from './handshake.ts'
import { HANDSHAKE_TIMEOUT_MS } from './limits.ts'
import type { Torrent } from './torrent.ts'
import { Transport } from './transport.ts'
import { within } from './waiting.ts'
import { WebTorrentEngine } from './webtorrent-engine.ts'

export interface LocalEngineComponents {
  readonly self: NodeId
  readonly identity: Ed25519PrivateKey
  readonly roster: Roster
  readonly links: WireLinks
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

/** The engine in the thread that makes it: TLS sockets of members, and webtorrent on them. */
export class LocalEngine implements Engine {
  readonly #components: LocalEngineComponents
  readonly #init: EngineInit
  readonly #transport: Transport
  readonly #torrents: WebTorrentEngine
  #stopping = new AbortController()

  constructor(components: LocalEngineComponents, init: EngineInit) {
    this.#components = components
    this.#init = init
    this.#torrents = new WebTorrentEngine(components, init)
    this.#transport = new Transport(components, {
      host: init.host,
      port: init.port,
      accept: (member, socket) => void this.#greet(member, socket),
    })
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    await this.#torrents.start()
    try {
      await this.#transport.start()
    } catch (error) {
      await this.#torrents.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Fault('SWARM_STOPPED', 'the swarm of this node stops'))
    await this.#transport.stop()
    await this.#torrents.stop()
  }

  address(): { readonly host: string; readonly port: number } | undefined {
    return this.#transport.address()
  }

  dial(member: NodeId, signal: AbortSignal): Promise<Connection> {
    return this.#transport.dial(member, signal)
  }

  join(torrent: Torrent, bytes: PieceBytes, init: SessionInit): Session {
    return this.#torrents.join(torrent, bytes, init)
  }

  /** A member has opened a connection; which torrent it wants is in its first bytes. */
  async #greet(member: NodeId, socket: Duplex): Promise<void> {
    const { logger, timers } = this.#components
    try {
      const infoHash = await within(timers, HANDSHAKE_TIMEOUT_MS, this.#stopping.signal, (signal) =>
        peekInfoHash(socket, signal),
      )
      this.#init.accept(member, infoHash, socket)
    } catch (error) {
      logger.debug({ member, err: error }, 'swarm: a connection was not taken')
      socket.destroy()
    }
  }
}
