import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'

const WINDOW_UPDATE = 1
/** A quarter of Yamux's smallest window: the sender always has the other three to go on with. */
const UPDATE_BYTES_MIN = 64 * 1024
/** What a stream's peer may send before it is told more. */
const WINDOW_BYTES = 256 * 1024

interface FrameHeader {
  readonly type: number
  /** 0: it opens, accepts and ends nothing. */
  readonly flag: number
  readonly streamID: number
  readonly length: number
}

/** What Yamux has of its own; `sendFrame` is where every frame of its streams goes through. As in 8.0.3, checked at start. */
interface Internals extends StreamMuxer {
  readonly streams: (StreamMuxer['streams'][number] & {
    readonly streamId: number
    readonly recvWindow: number
  })[]
  sendFrame: (header: FrameHeader, data?: unknown) => boolean
}

/**
 * Wraps a muxer so that a peer is told in larger pieces what it may send on. @libp2p/yamux 8.0.3 answers
 * every data frame with a frame of its own, which costs both sides as much as a short message does.
 */
export function gatherUpdates(factory: StreamMuxerFactory): StreamMuxerFactory {
  return {
    protocol: factory.protocol,
    createStreamMuxer(connection): StreamMuxer {
      const muxer = factory.createStreamMuxer(connection) as Internals
      const { sendFrame } = muxer
      if (typeof sendFrame !== 'function')
        throw new Fault('MUXER_UNSUPPORTED', 'this version of Yamux hides its frames')
      const streams = new WeakMap<object, { untold: number; window: number }>()
      muxer.sendFrame = (header, data) => {
        const { type, flag, streamID, length } = header
        const stream = muxer.streams.find(({ streamId }) => streamId === streamID)
        if (type !== WINDOW_UPDATE || flag !== 0 || !stream) return sendFrame.call(muxer, header, data)
        const { untold, window } = streams.get(stream) ?? { untold: 0, window: WINDOW_BYTES }
        const bytes = untold + length
        // A wider window, which Yamux has for whoever answers fast, is nothing to a peer that has not used up this one.
        const read = bytes - (stream.recvWindow - window)
        if (read < UPDATE_BYTES_MIN) {
          streams.set(stream, { untold: bytes, window })
          return true
        }
        streams.set(stream, { untold: 0, window: stream.recvWindow })
        return sendFrame.call(muxer, { ...header, length: bytes })
      }
      return muxer
    },
  }
}
