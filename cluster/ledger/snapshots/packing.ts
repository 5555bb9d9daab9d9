import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { Fault } from '../../../src/errors.ts'
import { SNAPSHOT_EXPANSION_MAX, SNAPSHOT_FRAME_BYTES_MAX } from '../../limits.ts'

/** The first byte of what is packed: how. */
const AS_IS = 0
const ZSTD = 1
/** The fastest of zstd's usual levels that still takes what repeats in keys and digests. */
const LEVEL = 3

/** Packs bytes, unless they shrink not at all, or so far that the reader would take them for a bomb. */
export function pack(bytes: Uint8Array): Uint8Array {
  const small = zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } })
  const pays = small.length < bytes.length && bytes.length <= small.length * SNAPSHOT_EXPANSION_MAX
  return Buffer.concat([Uint8Array.of(pays ? ZSTD : AS_IS), pays ? small : bytes])
}

/**
 * What was packed; never more than its own length some times over, so that the length members sign bounds what
 * comes out of a snapshot.
 * @throws Fault SNAPSHOT_INVALID
 */
export function unpack(packed: Uint8Array): Buffer {
  const bytes = packed.subarray(1)
  if (packed[0] === AS_IS) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const maxOutputLength = Math.min(SNAPSHOT_FRAME_BYTES_MAX, bytes.length * SNAPSHOT_EXPANSION_MAX)
  try {
    if (packed[0] === ZSTD && maxOutputLength > 0) return zstdDecompressSync(bytes, { maxOutputLength })
  } catch (error) {
    throw new Fault('SNAPSHOT_INVALID', 'a frame cannot be unpacked, or not within its bound', {}, error)
  }
  throw new Fault('SNAPSHOT_INVALID', 'a frame is packed in no known way')
}
