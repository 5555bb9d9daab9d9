import { Fault } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobStore, OpenBlob } from '../../src/registry/blob-store.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { NodeId } from '../network/network.ts'
import type { Assembly } from './assembly.ts'
import type { Connection, Engine, PieceBytes, Session, SessionEvents, SessionInit } from './engine.ts'
import { SESSION_IDLE_MS, SESSIONS_MAX } from './limits.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentShelf } from './torrent-shelf.ts'
import type { Transfers } from './transfers.ts'

export interface SessionsComponents {
  readonly engine: Engine
  readonly blobs: BlobStore
  readonly shelf: TorrentShelf
  readonly transfers: Transfers
  readonly logger: Logger
  readonly timers: Timers
  readonly mayHold: (member: NodeId, digest: Digest) => Promise<boolean>
}

/** What a fetch wants to hear of its torrent. */
export type GatherEvents = Pick<SessionEvents, 'piece' | 'lied' | 'gone' | 'failed'>

interface Active {
  readonly session: Session
  /** A fetch still needs it, with or without connections. */
  gathering: boolean
  readonly close: () => Promise<void>
  callOff: () => void
}

/**
 * The torrents that are awake. A held blob sleeps, costing nothing, until a member's handshake names it;
 * it is then served straight from the blob store, and sleeps again when the last connection has gone.
 */
export class Sessions {
  readonly #components: SessionsComponents
  readonly #active = new Map<string, Active>()
  readonly #waking = new Map<string, Promise<Active | undefined>>()
  readonly #closing = new Set<Promise<void>>()
  #stopping = new AbortController()

  constructor(components: SessionsComponents) {
    this.#components = components
  }

  get count(): number {
    return this.#active.size
  }

  start(): void {
    this.#stopping = new AbortController()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Fault('SWARM_STOPPED', 'the swarm of this node stops'))
    await Promise.allSettled(this.#waking.values())
    for (const infoHash of this.#active.keys()) void this.#end(infoHash)
    await Promise.allSettled(this.#closing)
  }

  /** A member has opened a connection, and greeted with the infohash of the torrent it wants. */
  async accept(member: NodeId, infoHash: string, connection: Connection): Promise<void> {
    const { logger, mayHold, shelf } = this.#components
    try {
      const digest = this.#active.get(infoHash)?.session.torrent.digest ?? shelf.digestOf(infoHash)
      if (digest === undefined || !(await mayHold(member, digest))) {
        throw new Fault('TORRENT_UNKNOWN', 'the member asks for a torrent this node does not give it', {
          infoHash,
        })
      }
      const active = this.#active.get(infoHash) ?? (await this.#wake(infoHash, digest))
      if (!active) throw new Fault('TORRENT_UNKNOWN', 'the blob of the torrent is not here', { digest })
      await active.session.attach(member, member, connection)
      // Its right may have ended since it was looked at, when nobody was connected yet who could be cut off.
      if (!(await mayHold(member, digest))) active.session.drop(member)
    } catch (error) {
      logger.debug({ member, err: error }, 'swarm: a connection was not taken')
      connection.destroy()
    }
  }

  /** A session that gets pieces, for a fetch. Others get them from it at the same time. */
  async gather(
    torrent: Torrent,
    assembly: Assembly,
    whom: SessionInit['whom'],
    events: GatherEvents,
  ): Promise<Session> {
    await this.#waking.get(torrent.infoHash)
    await this.#end(torrent.infoHash) // one that served a blob deleted since
    const release = assembly.use()
    const active = this.#join(
      torrent,
      assembly,
      { whom, complete: false, here: assembly.here(), front: () => assembly.front() },
      events,
      release,
    )
    active.gathering = true
    return active.session
  }

  /** The fetch is over: a whole blob goes on being served while somebody is connected. */
  async gathered(session: Session, whole: boolean): Promise<void> {
    const active = this.#active.get(session.torrent.infoHash)
    if (active?.session !== session) return
    active.gathering = false
    if (whole) this.#sleepWhenIdle(active)
    else await this.#end(session.torrent.infoHash)
  }

  /** Some may have less than before: whoever is connected for a blob that is not for them any more is cut off. */
  async dropUnentitled(): Promise<void> {
    for (const { session } of this.#active.values()) {
      for (const member of session.members()) {
        const { mayHold } = this.#components
        if (!(await mayHold(member, session.torrent.digest).catch(() => false))) session.drop(member)
      }
    }
  }

  async #wake(infoHash: string, digest: Digest): Promise<Active | undefined> {
    let waking = this.#waking.get(infoHash)
    if (!waking) {
      waking = this.#openAndJoin(infoHash, digest).finally(() => this.#waking.delete(infoHash))
      this.#waking.set(infoHash, waking)
    }
    return waking
  }

  async #openAndJoin(infoHash: string, digest: Digest): Promise<Active | undefined> {
    const { blobs, shelf } = this.#components
    if (this.#active.size >= SESSIONS_MAX) {
      throw new Fault('SWARM_BUSY', 'too many torrents are active', { active: this.#active.size })
    }
    const torrent = await shelf.of(digest, this.#stopping.signal)
    if (torrent?.infoHash !== infoHash) return undefined
    const blob = await blobs.open(digest)
    if (!blob) return undefined
    if (this.#stopping.signal.aborted) {
      await blob.close()
      return undefined
    }
    try {
      const init = { complete: true, front: () => undefined, whom: () => NOT_ASKED }
      const active = this.#join(torrent, new HeldBytes(blob), init, NO_EVENTS, () => blob.close())
      this.#sleepWhenIdle(active)
      return active
    } catch (error) {
      await blob.close()
      throw error
    }
  }

  #join(
    torrent: Torrent,
    bytes: PieceBytes,
    init: Omit<SessionInit, 'events'>,
    events: GatherEvents,
    close: () => Promise<void>,
  ): Active {
    const { engine, transfers } = this.#components
    const session = engine.join(torrent, bytes, {
      ...init,
      events: {
        piece: events.piece,
        lied: events.lied,
        sent: (count) => transfers.sent('torrent', count),
        joined: () => active.callOff(),
        gone: (member) => {
          events.gone(member)
          this.#sleepWhenIdle(active)
        },
        failed: (error) => {
          events.failed(error)
          void this.#end(torrent.infoHash)
        },
      },
    })
    const active: Active = { session, gathering: false, close, callOff: () => {} }
    this.#active.set(torrent.infoHash, active)
    return active
  }

  #sleepWhenIdle(active: Active): void {
    const { infoHash } = active.session.torrent
    active.callOff()
    if (active.gathering || active.session.members().length > 0) return
    active.callOff = this.#components.timers.after(SESSION_IDLE_MS, () => {
      if (this.#active.get(infoHash) !== active || active.gathering) return
      if (active.session.members().length === 0) void this.#end(infoHash)
    })
  }

  async #end(infoHash: string): Promise<void> {
    const active = this.#active.get(infoHash)
    if (!active) return
    this.#active.delete(infoHash)
    active.callOff()
    const closing = active.session.stop().then(() => active.close())
    this.#closing.add(closing)
    await closing.finally(() => this.#closing.delete(closing))
  }
}

/** Nothing is asked for a blob that is here. */
const NOT_ASKED = { asks: false, site: '', ingress: false }

const NO_EVENTS: GatherEvents = { piece() {}, lied() {}, gone() {}, failed() {} }

/** A blob of the store as a torrent reads it. */
class HeldBytes implements PieceBytes {
  readonly #blob: OpenBlob

  constructor(blob: OpenBlob) {
    this.#blob = blob
  }

  async readFully(into: Uint8Array, position: number): Promise<void> {
    for (let filled = 0; filled < into.length; ) {
      const read = await this.#blob.read(into.subarray(filled), position + filled)
      if (read === 0)
        throw new Fault('BLOB_TRUNCATED', 'the file of the blob is shorter than it was', { position })
      filled += read
    }
  }

  async write(): Promise<void> {
    throw new Fault('BLOB_IMMUTABLE', 'a held blob is never written to')
  }
}
