import { Fault } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { ByteRange } from '../../src/registry/blob-store.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import {
  BLOB_PROTOCOL,
  type HaveAnswer,
  parseFrame,
  parseHave,
  parsePieces,
  parseRead,
} from './blob-protocol.ts'
import { FRAME_TIMEOUT_MS, HAVE_TIMEOUT_MS, PIECES_TIMEOUT_MS } from './limits.ts'
import { piecesBytesOf, type Torrent, torrentOf } from './torrent.ts'
import { within } from './waiting.ts'

/** The asking end of the blob protocol: one channel to one member, one question at a time. */
export class Line {
  readonly member: NodeId
  readonly #channel: Channel
  readonly #timers: Timers

  private constructor(channel: Channel, timers: Timers) {
    this.member = channel.peer
    this.#channel = channel
    this.#timers = timers
  }

  /** @throws Fault PEER_UNREACHABLE, TIMED_OUT */
  static async open(network: Network, timers: Timers, member: NodeId, signal: AbortSignal): Promise<Line> {
    const channel = await within(timers, HAVE_TIMEOUT_MS, signal, (signal) =>
      network.open(member, BLOB_PROTOCOL, signal),
    )
    return new Line(channel, timers)
  }

  async have(digest: Digest, signal: AbortSignal): Promise<HaveAnswer> {
    await this.#send({ ask: 'have', digest }, signal)
    return parseHave(await this.#receive(HAVE_TIMEOUT_MS, signal))
  }

  /**
   * The blob's torrent as this member knows it. Nothing in it but the hashes is the member's word: the rest
   * follows from the digest and the size.
   */
  async torrent(digest: Digest, size: number, signal: AbortSignal): Promise<Torrent> {
    await this.#send({ ask: 'pieces', digest }, signal)
    return within(this.#timers, PIECES_TIMEOUT_MS, signal, (signal) => this.#torrent(digest, size, signal))
  }

  /** The torrent, and then the bytes of a range: asked in one breath, which over a long link saves a round trip. */
  async torrentAndBytes(
    digest: Digest,
    size: number,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<{ readonly torrent: Torrent; readonly bytes: AsyncIterable<Uint8Array> }> {
    await this.#send({ ask: 'pieces', digest }, signal)
    await this.#send({ ask: 'read', digest, ...range }, signal)
    const torrent = await within(this.#timers, PIECES_TIMEOUT_MS, signal, (signal) =>
      this.#torrent(digest, size, signal),
    )
    return { torrent, bytes: this.#bytes(range, signal) }
  }

  async #torrent(digest: Digest, size: number, signal: AbortSignal): Promise<Torrent> {
    for (;;) {
      const answer = parsePieces(await this.#receive(FRAME_TIMEOUT_MS, signal))
      if ('pending' in answer) continue
      if (answer.size !== size || answer.bytes !== piecesBytesOf(size)) {
        throw new Fault('TORRENT_INVALID', 'a member told two different sizes of a blob', { digest, size })
      }
      const pieces = Buffer.alloc(answer.bytes)
      let filled = 0
      for await (const frame of this.#frames(answer.bytes, signal)) {
        pieces.set(frame, filled)
        filled += frame.length
      }
      const torrent = torrentOf(digest, size, pieces)
      if (torrent.infoHash === answer.infoHash) return torrent
      throw new Fault('TORRENT_INVALID', 'the piece hashes of a member do not give its infohash', { digest })
    }
  }

  /** The bytes of a range, in order; fails unless all of them come. */
  async *read(digest: Digest, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.#send({ ask: 'read', digest, first: range.first, last: range.last }, signal)
    yield* this.#bytes(range, signal)
  }

  async *#bytes(range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { bytes } = parseRead(await this.#receive(FRAME_TIMEOUT_MS, signal))
    if (bytes !== range.last - range.first + 1) {
      throw new Fault('MESSAGE_INVALID', 'a member offers more or fewer bytes than it was asked for', {
        bytes,
      })
    }
    yield* this.#frames(bytes, signal)
  }

  async close(): Promise<void> {
    await this.#channel.close()
  }

  abort(reason: Error): void {
    this.#channel.abort(reason)
  }

  async *#frames(bytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let left = bytes; left > 0; ) {
      const frame = parseFrame(await this.#receive(FRAME_TIMEOUT_MS, signal))
      left -= frame.length
      if (left < 0) throw new Fault('MESSAGE_INVALID', 'a member sent more bytes than it was asked for')
      yield frame
    }
  }

  async #send(message: unknown, signal: AbortSignal): Promise<void> {
    await within(this.#timers, FRAME_TIMEOUT_MS, signal, () => this.#channel.send(message))
  }

  async #receive(ms: number, signal: AbortSignal): Promise<unknown> {
    const message = await within(this.#timers, ms, signal, (signal) => this.#channel.receive(signal))
    if (message === undefined)
      throw new Fault('CHANNEL_ENDED', 'the member ended the channel', { member: this.member })
    return message
  }
}
