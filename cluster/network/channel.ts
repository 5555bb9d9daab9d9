import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { decode, encode } from 'cborg'
import { Uint8ArrayList } from 'uint8arraylist'
import { Fault } from '../../src/errors.ts'
import { CHANNEL_MESSAGE_BYTES_MAX } from '../limits.ts'
import type { Channel, NodeId } from './network.ts'

/**
 * A message on the wire: four bytes of length, big-endian, then that much CBOR. A stream carries
 * messages one after another in both directions and ends with the stream's own FIN.
 *
 * Whoever opened the channel sends first: the other side's handler runs only once something arrives.
 */
const LENGTH_BYTES = 4

/**
 * Holds at most one whole message unread. With one in hand and nobody asking, it pauses the stream,
 * the muxer's window fills and the sender's `send` waits.
 */
export class StreamChannel implements Channel {
  readonly peer: NodeId
  readonly #stream: Stream
  readonly #buffer = new Uint8ArrayList()
  /** Set once nothing more will come, whatever the reason. */
  #ended = false
  /** The other side said that it has no more to send; a connection that merely broke says no such thing. */
  #finished = false
  #failure: Fault | undefined
  #wake = () => {}
  #receiving = false

  constructor(stream: Stream, peer: NodeId) {
    this.peer = peer
    this.#stream = stream
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('remoteCloseWrite', this.#onFinish)
    stream.addEventListener('end', this.#onEnd)
    stream.addEventListener('close', this.#onClose)
    // What happened before anybody listened: an orderly end leaves our own side open.
    if (stream.status !== 'open') this.#failure = this.#broken(undefined)
    this.#finished = stream.remoteWriteStatus === 'closed'
    if (stream.readableEnded) this.#onEnd()
  }

  async send(message: unknown): Promise<void> {
    const body = encode(message)
    if (body.length > CHANNEL_MESSAGE_BYTES_MAX)
      throw new Fault('MESSAGE_TOO_LARGE', 'the message is larger than a channel carries', {
        bytes: body.length,
        bytesMax: CHANNEL_MESSAGE_BYTES_MAX,
      })
    const length = new Uint8Array(LENGTH_BYTES)
    new DataView(length.buffer).setUint32(0, body.length)
    if (this.#failure) throw this.#failure
    try {
      this.#stream.send(new Uint8ArrayList(length, body))
    } catch (error) {
      throw this.#broken(error)
    }
    if (this.#stream.writeBufferLength > 0) await this.#drained()
  }

  async receive(signal?: AbortSignal): Promise<unknown> {
    if (this.#receiving) throw new Fault('CHANNEL_BUSY', 'a channel is read by one reader at a time')
    this.#receiving = true
    try {
      for (;;) {
        signal?.throwIfAborted()
        const body = this.#take()
        if (body) return parse(body, this)
        if (this.#failure) throw this.#failure
        if (this.#ended) return this.#atEnd()
        if (this.#stream.readStatus === 'paused') this.#resume()
        else await this.#more(signal)
      }
    } finally {
      this.#receiving = false
    }
  }

  async close(): Promise<void> {
    try {
      await this.#stream.close()
    } catch (error) {
      // libp2p rejects with the close event itself, which is no Error.
      this.#stream.abort(this.#broken(error))
    }
  }

  abort(reason: Error): void {
    this.#fail(reason instanceof Fault ? reason : this.#broken(reason))
  }

  readonly #onMessage = ({ data }: StreamMessageEvent) => {
    this.#buffer.append(data)
    const length = this.#length()
    if (length !== undefined && length > CHANNEL_MESSAGE_BYTES_MAX) {
      const facts = { peer: this.peer, bytes: length, bytesMax: CHANNEL_MESSAGE_BYTES_MAX }
      this.#fail(
        new Fault('MESSAGE_TOO_LARGE', 'a peer announced a message larger than a channel carries', facts),
      )
      return
    }
    const whole = length !== undefined && this.#buffer.byteLength >= LENGTH_BYTES + length
    if (whole && !this.#receiving && this.#stream.readStatus === 'readable') this.#stream.pause()
    this.#wake()
  }

  readonly #onFinish = () => {
    this.#finished = true
  }

  readonly #onEnd = () => {
    this.#ended = true
    this.#wake()
  }

  readonly #onClose = ({ error }: StreamCloseEvent) => {
    if (error) this.#failure ??= this.#broken(error)
    // A close leaves what is buffered in a paused stream readable; its end comes after that.
    else if (this.#stream.readBufferLength === 0) this.#ended = true
    this.#wake()
  }

  #resume(): void {
    try {
      this.#stream.resume()
    } catch {
      // The window update found the connection gone; what had arrived is in the buffer by now.
    }
  }

  #length(): number | undefined {
    if (this.#buffer.byteLength < LENGTH_BYTES) return undefined
    return this.#buffer.getUint32(0)
  }

  #take(): Uint8Array | undefined {
    const length = this.#length()
    if (length === undefined || this.#buffer.byteLength < LENGTH_BYTES + length) return undefined
    const body = this.#buffer.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
    this.#buffer.consume(LENGTH_BYTES + length)
    return body
  }

  #atEnd(): undefined {
    if (this.#finished && this.#buffer.byteLength === 0) return undefined
    throw this.#broken(undefined)
  }

  async #more(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const abandon = () => reject(signal?.reason as Error)
      this.#wake = () => {
        signal?.removeEventListener('abort', abandon)
        resolve()
      }
      signal?.addEventListener('abort', abandon, { once: true })
    })
  }

  /** Waits for the muxer to have taken everything; the stream's own `onDrain` answers only once. */
  async #drained(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = () => {
        const { status, writeStatus, writeBufferLength } = this.#stream
        if (writeBufferLength > 0 && writeStatus !== 'closed') return
        this.#stream.removeEventListener('idle', settle)
        this.#stream.removeEventListener('close', settle)
        if (writeBufferLength === 0 && status !== 'aborted' && status !== 'reset') resolve()
        else reject(this.#failure ?? this.#broken(undefined))
      }
      this.#stream.addEventListener('idle', settle)
      this.#stream.addEventListener('close', settle)
    })
  }

  #fail(fault: Fault): void {
    this.#failure ??= fault
    this.#buffer.consume(this.#buffer.byteLength)
    this.#stream.abort(fault)
    this.#wake()
  }

  #broken(cause: unknown): Fault {
    return new Fault('CHANNEL_BROKEN', 'the channel broke before its end', { peer: this.peer }, cause)
  }
}

function parse(body: Uint8Array, channel: StreamChannel): unknown {
  try {
    return decode(body, { rejectDuplicateMapKeys: true })
  } catch (error) {
    const fault = new Fault('MESSAGE_MALFORMED', 'a peer sent what is no CBOR', { peer: channel.peer }, error)
    channel.abort(fault)
    throw fault
  }
}
