import { isDeepStrictEqual } from 'node:util'
import type { NodeId } from '../network/network.ts'
import type { Connection, PieceBytes, Session, SessionInit, Whom } from './engine.ts'
import { faultOf } from './engine-mirror.ts'
import type { FromEngine, SessionNews, ToEngine, View } from './engine-protocol.ts'
import type { Torrent } from './torrent.ts'

export interface RemoteSessionParts {
  readonly id: number
  readonly post: (message: ToEngine) => void
  readonly attach: (member: NodeId, dialler: NodeId, connection: Connection, whom: Whom) => Promise<void>
  readonly leave: () => Promise<void>
}

/** One torrent of the engine's thread, as the main thread sees it. */
export class RemoteSession implements Session {
  readonly torrent: Torrent
  received = 0
  readonly #parts: RemoteSessionParts
  readonly #bytes: PieceBytes
  readonly #init: SessionInit
  /** Connections of each member: for a moment there may be two. */
  readonly #members = new Map<NodeId, number>()
  #told: View = { front: undefined, whom: [] }
  /** What the storage of this node threw: the thread only hears its words. */
  #failure: { readonly error: unknown } | undefined
  #stopped: Promise<void> | undefined

  constructor(parts: RemoteSessionParts, torrent: Torrent, bytes: PieceBytes, init: SessionInit) {
    this.torrent = torrent
    this.#parts = parts
    this.#bytes = bytes
    this.#init = init
    const { complete, here } = init
    parts.post({ type: 'join', session: parts.id, torrent, complete, here })
    this.#tell()
  }

  members(): NodeId[] {
    return [...this.#members.keys()]
  }

  async attach(member: NodeId, dialler: NodeId, connection: Connection): Promise<void> {
    await this.#parts.attach(member, dialler, connection, this.#init.whom(member))
  }

  drop(member: NodeId): void {
    this.#parts.post({ type: 'drop', session: this.#parts.id, member })
  }

  nudge(): void {
    this.#tell()
    this.#parts.post({ type: 'nudge', session: this.#parts.id })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#parts.leave()
    return this.#stopped
  }

  /** Its thread is gone. */
  fail(reason: unknown): void {
    const members = this.members()
    this.#members.clear()
    this.#stopped = Promise.resolve()
    for (const member of members) this.#init.events.gone(member)
    this.#init.events.failed(reason)
  }

  async move({ type, bytes, position }: Extract<FromEngine, { type: 'read' | 'write' }>): Promise<void> {
    try {
      if (type === 'read') await this.#bytes.readFully(bytes, position)
      else await this.#bytes.write(bytes, position)
    } catch (error) {
      if (type === 'write') this.#failure = { error }
      throw error
    }
  }

  hear(message: SessionNews): void {
    const { events } = this.#init
    // What has left counts, whoever still listens.
    if (message.type === 'sent') return events.sent(message.bytes)
    if (this.#stopped) return
    switch (message.type) {
      case 'piece':
        events.piece(message.piece, message.from)
        return this.#tell()
      case 'lied':
        return events.lied(message.member)
      case 'joined':
        this.#members.set(message.member, (this.#members.get(message.member) ?? 0) + 1)
        return events.joined(message.member)
      case 'gone':
        return this.#onGone(message.member)
      case 'received':
        this.received = message.bytes
        return
      case 'session-failed':
        return events.failed(this.#failure ? this.#failure.error : faultOf(message.error))
    }
  }

  #onGone(member: NodeId): void {
    const left = (this.#members.get(member) ?? 1) - 1
    if (left > 0) this.#members.set(member, left)
    else this.#members.delete(member)
    this.#init.events.gone(member)
  }

  /** What the thread asks by, where it has changed. */
  #tell(): void {
    if (this.#init.complete) return
    const { front, whom } = this.#init
    const view: View = {
      front: front(),
      whom: this.members().map((member) => [member, whom(member)] as const),
    }
    if (isDeepStrictEqual(view, this.#told)) return
    this.#told = view
    this.#parts.post({ type: 'view', session: this.#parts.id, view })
  }
}
