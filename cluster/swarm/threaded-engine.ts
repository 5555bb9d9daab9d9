import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import type { Connection, Engine, EngineInit, PieceBytes, Session, SessionInit } from './engine.ts'
import { linkFactsOf, type WireLinks } from './engine-links.ts'
import { errorFacts, faultOf } from './engine-mirror.ts'
import type { EngineWorkerData, FromEngine, KnownMember, LinkFacts, ToEngine } from './engine-protocol.ts'
import { ENGINE_RESTART_MS } from './limits.ts'
import { RemoteSession } from './remote-session.ts'
import type { Torrent } from './torrent.ts'
import { abortable } from './waiting.ts'

// Type stripping runs the source, a build runs the compiled file beside it.
const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './engine-worker.ts' : './engine-worker.js',
  import.meta.url,
)

export interface ThreadedEngineComponents {
  readonly self: NodeId
  readonly identity: Ed25519PrivateKey
  readonly roster: Roster
  readonly links: WireLinks
  readonly logger: Logger
  readonly timers: Timers
}

/** A socket that lives in the engine's thread. */
class RemoteConnection implements Connection {
  readonly id: number
  readonly #post: (message: ToEngine) => void

  constructor(id: number, post: (message: ToEngine) => void) {
    this.id = id
    this.#post = post
  }

  destroy(): void {
    this.#post({ type: 'destroy', connection: this.id })
  }
}

/**
 * The engine in a thread of its own, with its sockets, its TLS and its hashing, so that the loop that serves HTTP
 * has nothing to do for a torrent but to read and write files. Where the thread ends by an error its torrents
 * fail, and another one takes its place.
 */
export class ThreadedEngine implements Engine {
  readonly #components: ThreadedEngineComponents
  readonly #init: EngineInit
  readonly #calls = new Map<number, PromiseWithResolvers<number | undefined>>()
  readonly #sessions = new Map<number, RemoteSession>()
  #known: KnownMember[] = []
  #worker: Worker | undefined
  #address: { readonly host: string; readonly port: number } | undefined
  #listening: PromiseWithResolvers<void> | undefined
  #unsubscribe: (() => void)[] = []
  #stopping = new AbortController()
  #callOff = () => {}
  #count = 0

  constructor(components: ThreadedEngineComponents, init: EngineInit) {
    this.#components = components
    this.#init = init
  }

  /** @throws Fault PORT_IN_USE, LISTEN_FAILED */
  async start(): Promise<void> {
    const { roster, links } = this.#components
    this.#stopping = new AbortController()
    this.#unsubscribe = [
      roster.onChange(() => {
        this.#tellMembers()
        this.#tellLinks()
      }),
      links.onChange(() => this.#tellLinks()),
    ]
    try {
      await this.#launch(this.#init.port)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#stopping.abort(new Fault('SWARM_STOPPED', 'the swarm of this node stops'))
    this.#callOff()
    await Promise.all([...this.#sessions.values()].map((session) => session.stop()))
    const worker = this.#worker
    if (worker && this.#address) await this.#call((call) => ({ type: 'stop', call })).catch(() => {})
    this.#worker = undefined
    this.#address = undefined
    await worker?.terminate()
  }

  address(): { readonly host: string; readonly port: number } | undefined {
    return this.#address
  }

  async dial(member: NodeId, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted()
    let hangUp = () => {}
    const dialled = this.#call((call) => {
      hangUp = () => this.#post({ type: 'hang-up', call })
      return { type: 'dial', call, member }
    })
    signal.addEventListener('abort', hangUp, { once: true })
    try {
      return new RemoteConnection((await abortable(dialled, signal)) as number, this.#post)
    } catch (error) {
      // It may have been reached in the same moment.
      dialled.then((id) => this.#post({ type: 'destroy', connection: id as number })).catch(() => {})
      throw error
    } finally {
      signal.removeEventListener('abort', hangUp)
    }
  }

  join(torrent: Torrent, bytes: PieceBytes, init: SessionInit): Session {
    if (!this.#address) throw new Fault('SWARM_STOPPED', 'the swarm of this node does not run')
    const id = ++this.#count
    const session = new RemoteSession(
      {
        id,
        post: this.#post,
        attach: async (member, dialler, connection, whom) => {
          const { id: number } = connection as RemoteConnection
          await this.#call((call) => ({
            type: 'attach',
            call,
            session: id,
            member,
            dialler,
            connection: number,
            whom,
          }))
        },
        leave: async () => {
          await this.#call((call) => ({ type: 'leave', call, session: id })).catch(() => {})
          this.#sessions.delete(id)
        },
      },
      torrent,
      bytes,
      init,
    )
    this.#sessions.set(id, session)
    return session
  }

  async #launch(port: number): Promise<void> {
    const { self, identity } = this.#components
    const { host, uploadBytesPerSecond } = this.#init
    this.#known = this.#members()
    const workerData: EngineWorkerData = {
      self,
      identity: identity.raw,
      host,
      port,
      uploadBytesPerSecond,
      members: this.#known,
      links: this.#linkFacts(),
    }
    const worker = new Worker(WORKER_FILE, { name: 'swarm', workerData })
    worker.unref()
    this.#worker = worker
    this.#listening = Promise.withResolvers()
    worker.on('message', (message: FromEngine) => this.#onMessage(message))
    worker.on('error', (error: Error) => this.#onEnd(worker, error))
    worker.on('exit', () => this.#onEnd(worker, new Fault('SWARM_STOPPED', 'the thread of the swarm ended')))
    await this.#listening.promise
  }

  /** Not by `stop`: whatever hung on it fails, and another thread begins at the same port. */
  #onEnd(worker: Worker, error: Error): void {
    this.#listening?.reject(error)
    if (this.#worker !== worker) return
    const { logger, timers } = this.#components
    const { port } = this.#address ?? this.#init
    this.#worker = undefined
    this.#address = undefined
    logger.error({ err: error }, 'swarm: the thread of the swarm ended by an error and is started anew')
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
    for (const session of this.#sessions.values()) session.fail(error)
    this.#sessions.clear()
    const again = () =>
      timers.after(ENGINE_RESTART_MS, () => {
        this.#launch(port).catch((error: unknown) => {
          logger.error({ err: error }, 'swarm: the thread of the swarm does not start')
          this.#callOff = again()
        })
      })
    this.#callOff = again()
  }

  #call(message: (call: number) => ToEngine): Promise<number | undefined> {
    const call = ++this.#count
    const answered = Promise.withResolvers<number | undefined>()
    if (!this.#worker)
      return Promise.reject(new Fault('SWARM_STOPPED', 'the swarm of this node does not run'))
    this.#calls.set(call, answered)
    this.#post(message(call))
    return answered.promise
  }

  readonly #post = (message: ToEngine): void => this.#worker?.postMessage(message)

  #members(): KnownMember[] {
    const { roster } = this.#components
    return roster.members().map((member) => ({ member, isMember: roster.isMember(member.id) }))
  }

  #tellMembers(): void {
    const before = new Map(this.#known.map((one) => [one.member.id, one]))
    this.#known = this.#members()
    const now = new Set(this.#known.map(({ member }) => member.id))
    const changed = this.#known.filter((one) => !isDeepStrictEqual(one, before.get(one.member.id)))
    const gone = [...before.keys()].filter((id) => !now.has(id))
    if (changed.length > 0 || gone.length > 0) this.#post({ type: 'members', changed, gone })
  }

  #linkFacts(): LinkFacts[] {
    const { links } = this.#components
    return linkFactsOf(
      links,
      this.#known.map(({ member }) => member.id),
    )
  }

  #tellLinks(): void {
    this.#post({ type: 'links', links: this.#linkFacts() })
  }

  async #takeTurn({ turn, member, bytes }: Extract<FromEngine, { type: 'turn' }>): Promise<void> {
    try {
      await this.#components.links.pace(member, 'pull')?.send(bytes, this.#stopping.signal)
      this.#post({ type: 'your-turn', turn })
    } catch (error) {
      this.#post({ type: 'your-turn', turn, error: errorFacts(error) })
    }
  }

  #onMessage(message: FromEngine): void {
    switch (message.type) {
      case 'listening':
        this.#address = message.address
        return this.#listening?.resolve()
      case 'failed':
        return this.#listening?.reject(faultOf(message.error))
      case 'answer':
        return this.#onAnswer(message)
      case 'accepted': {
        const connection = new RemoteConnection(message.connection, this.#post)
        return this.#init.accept(message.member, message.infoHash, connection)
      }
      case 'read':
      case 'write':
        return void this.#move(message)
      case 'turn':
        return void this.#takeTurn(message)
      case 'crossed':
        return this.#components.links.pace(message.member, 'pull')?.received(message.bytes)
      case 'log':
        return this.#components.logger[message.level](message.facts, message.message)
      default:
        return this.#sessions.get(message.session)?.hear(message)
    }
  }

  #onAnswer({ call, connection, error }: Extract<FromEngine, { type: 'answer' }>): void {
    const waiting = this.#calls.get(call)
    this.#calls.delete(call)
    if (error) waiting?.reject(faultOf(error))
    else waiting?.resolve(connection)
  }

  async #move(message: Extract<FromEngine, { type: 'read' | 'write' }>): Promise<void> {
    const { transfer } = message
    try {
      const session = this.#sessions.get(message.session)
      if (!session) throw new Fault('SWARM_STOPPED', 'the torrent is no longer active')
      await session.move(message)
      this.#post({ type: 'moved', transfer })
    } catch (error) {
      this.#post({ type: 'moved', transfer, error: errorFacts(error) })
    }
  }
}
