import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { Fault } from '../../src/errors.ts'

/**
 * Yamux frames: 12 bytes of header, the type in byte 1 (0 is data), the length of the data in the last
 * four, big-endian, then the data.
 *
 * @libp2p/yamux 8.0.3 gathers a whole data frame before it compares the length with the window, so one
 * header may make it hold 4 GiB. This follows the frames and stops at the header.
 */
const HEADER_BYTES = 12
const DATA = 0

/** Wraps a muxer so that a data frame above `frameBytesMax` aborts the connection unread. */
export function guardFrames(factory: StreamMuxerFactory, frameBytesMax: number): StreamMuxerFactory {
  return {
    protocol: factory.protocol,
    createStreamMuxer(stream: MessageStream): StreamMuxer {
      const frames = new FrameFollower()
      // Added first, so it sees every chunk before the muxer does.
      stream.addEventListener('message', ({ data }) => {
        if (frames.largest(data) <= frameBytesMax) return
        stream.abort(
          new Fault('FRAME_TOO_LARGE', 'a peer sent a frame larger than any window', { frameBytesMax }),
        )
      })
      return factory.createStreamMuxer(stream)
    },
  }
}

/** Knows where in the stream of frames it is, and nothing of what they carry. */
export class FrameFollower {
  readonly #header = new Uint8Array(HEADER_BYTES)
  #headerBytes = 0
  #dataBytesLeft = 0

  /** The largest data length announced by a header that ended within `chunk`. */
  largest(chunk: Uint8Array | Uint8ArrayList): number {
    let largest = 0
    for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) {
      for (let at = 0; at < part.length; ) {
        if (this.#dataBytesLeft > 0) {
          const skipped = Math.min(this.#dataBytesLeft, part.length - at)
          this.#dataBytesLeft -= skipped
          at += skipped
          continue
        }
        const taken = part.subarray(at, at + HEADER_BYTES - this.#headerBytes)
        this.#header.set(taken, this.#headerBytes)
        this.#headerBytes += taken.length
        at += taken.length
        if (this.#headerBytes < HEADER_BYTES) break
        this.#headerBytes = 0
        if (this.#header[1] !== DATA) continue
        this.#dataBytesLeft = new DataView(this.#header.buffer).getUint32(8)
        largest = Math.max(largest, this.#dataBytesLeft)
      }
    }
    return largest
  }
}
