import { Fault } from '../../../src/errors.ts'
import { SNAPSHOT_FRAME_BYTES_MAX } from '../../limits.ts'

const LENGTH_BYTES = 4

/** A frame: four bytes of length, most significant first, and that many bytes. */
export function frame(bytes: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(LENGTH_BYTES + bytes.length)
  framed.writeUInt32BE(bytes.length, 0)
  framed.set(bytes, LENGTH_BYTES)
  return framed
}

/**
 * Takes a stream of bytes apart; holds one frame and one chunk of the stream at most.
 * @throws Fault SNAPSHOT_INVALID for a frame above the bound, and where the bytes end within one
 */
export async function* frames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pending = Buffer.alloc(0)
  for await (const chunk of stream) {
    // Copied, for the chunk's memory is the stream's again once the next one is asked for.
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      if (pending.length < LENGTH_BYTES) break
      const length = pending.readUInt32BE(0)
      if (length > SNAPSHOT_FRAME_BYTES_MAX) {
        throw new Fault('SNAPSHOT_INVALID', 'a frame is larger than the bound', { bytes: length })
      }
      if (pending.length < LENGTH_BYTES + length) break
      yield pending.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
      pending = pending.subarray(LENGTH_BYTES + length)
    }
  }
  if (pending.length > 0) throw new Fault('SNAPSHOT_INVALID', 'the snapshot ends within a frame')
}
