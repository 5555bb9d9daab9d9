import { decode, encode } from 'cborg'
import type { Channel, NodeId } from '../../../cluster/network/network.ts'
import { Fault } from '../../../src/errors.ts'
import type { Connection, Wire } from './wire.ts'

/**
 * One end of a stream. Bytes travel, not objects, in order; a broken connection breaks it, and what is read
 * afterwards fails as on the real one.
 */
export class SimChannel implements Channel {
  readonly peer: NodeId
  readonly #self: NodeId
  readonly #wire: Wire
  readonly #connection: Connection
  readonly #onFirst: (() => void) | undefined
  #other: SimChannel | undefined
  #inbox: Uint8Array[] = []
  #finished = false
  #failure: Fault | undefined
  #begun = false
  #wake = () => {}
  #arrivalMs = 0

  /** @param onFirst told when the first message has come: the moment a handler is run */
  constructor(wire: Wire, connection: Connection, self: NodeId, peer: NodeId, onFirst?: () => void) {
    this.#wire = wire
    this.#connection = connection
    this.#self = self
    this.peer = peer
    this.#onFirst = onFirst
    connection.channels.add(this)
  }

  static join(one: SimChannel, two: SimChannel): void {
    one.#other = two
    two.#other = one
  }

  async send(message: unknown): Promise<void> {
    if (this.#failure) throw this.#failure
    const bytes = encode(message)
    const { random, faults } = this.#wire
    if (random.chance(faults.corruptChannel)) bytes[random.integer(bytes.length)] = random.integer(256)
    this.#transmit(`message of ${bytes.length}`, (other) => other.#arrive(bytes))
  }

  async receive(signal?: AbortSignal): Promise<unknown> {
    for (;;) {
      signal?.throwIfAborted()
      const bytes = this.#inbox.shift()
      if (bytes) return this.#decode(bytes)
      if (this.#failure) throw this.#failure
      if (this.#finished) return undefined
      await this.#more(signal)
    }
  }

  async close(): Promise<void> {
    if (!this.#failure) this.#transmit('end', (other) => other.#end())
  }

  abort(reason: Error): void {
    if (this.#failure) return
    this.#transmit('reset', (other) => other.broke())
    this.#fail(reason instanceof Fault ? reason : broken(this.peer, reason))
  }

  /** The connection went, or the other end gave up. */
  broke(): void {
    this.#fail(broken(this.peer))
  }

  #transmit(what: string, deliver: (other: SimChannel) => void): void {
    const other = this.#other
    const { world } = this.#wire
    if (!other || !this.#wire.isLive(this.#connection, this.#self)) return
    this.#arrivalMs = Math.max(this.#arrivalMs, world.nowMs + this.#wire.delayMs())
    world.schedule(this.#arrivalMs - world.nowMs, `${this.#self} to ${this.peer}: ${what}`, () => {
      const arrive = () => {
        if (this.#connection.open && this.#wire.isLive(this.#connection, this.peer)) deliver(other)
      }
      // Behind a message that a cut holds back everything waits.
      if (this.#wire.isCut(this.#self, this.peer)) {
        this.#connection.stalled.push({ from: this.#self, deliver: arrive })
      } else arrive()
    })
  }

  #arrive(bytes: Uint8Array): void {
    if (this.#failure) return
    this.#inbox.push(bytes)
    if (!this.#begun) this.#onFirst?.()
    this.#begun = true
    this.#wake()
  }

  #end(): void {
    this.#finished = true
    this.#wake()
  }

  #fail(failure: Fault): void {
    this.#failure ??= failure
    this.#inbox = []
    this.#connection.channels.delete(this)
    this.#wake()
  }

  #decode(bytes: Uint8Array): unknown {
    try {
      return decode(bytes, { rejectDuplicateMapKeys: true })
    } catch (error) {
      const fault = new Fault('MESSAGE_MALFORMED', 'a peer sent what is no CBOR', { peer: this.peer }, error)
      this.abort(fault)
      throw fault
    }
  }

  #more(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const unheed = this.#wire.world.onAbort(signal, () => {
        unheed()
        reject(signal?.reason as Error)
      })
      this.#wake = () => {
        unheed()
        resolve()
      }
    })
  }
}

function broken(peer: NodeId, cause?: unknown): Fault {
  return new Fault('CHANNEL_BROKEN', 'the channel broke before its end', { peer }, cause)
}
