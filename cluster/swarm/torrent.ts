import { createHash } from 'node:crypto'
import { Fault } from '../../src/errors.ts'
import { BLOB_READ_CHUNK_BYTES } from '../../src/limits.ts'
import { type Digest, hexOf } from '../../src/oci/digest.ts'
import type { OpenBlob } from '../../src/registry/blob-store.ts'
import { BLOB_BYTES_MAX, PIECE_BYTES_MAX, PIECE_BYTES_MIN, PIECES_TARGET_MAX } from './limits.ts'

const SHA1_BYTES = 20

/**
 * A blob as BitTorrent v1 sees it. Digest, size and the piece hashes determine every byte of `info`, so
 * that all nodes that hold the blob find the same infohash, and nothing a peer sends has to be parsed.
 * SHA-1 is how pieces are told apart on the way; what is trusted is the digest of the whole.
 */
export interface Torrent {
  readonly digest: Digest
  readonly size: number
  readonly pieceLength: number
  readonly pieceCount: number
  /** SHA-1 of each piece, one after the other. */
  readonly pieces: Uint8Array
  /** The bencoded info dictionary. */
  readonly info: Uint8Array
  /** SHA-1 of `info`, lower-case hexadecimal. */
  readonly infoHash: string
}

/** The one rule of the cluster; another rule is another infohash, hence another protocol version. */
export function pieceLengthOf(size: number): number {
  let length = PIECE_BYTES_MIN
  while (length < PIECE_BYTES_MAX && size / length > PIECES_TARGET_MAX) length *= 2
  return length
}

export function pieceCountOf(size: number): number {
  return Math.ceil(size / pieceLengthOf(size))
}

/** Bytes the hashes of all pieces of a blob of `size` take. */
export function piecesBytesOf(size: number): number {
  return pieceCountOf(size) * SHA1_BYTES
}

/** @throws Fault TORRENT_INVALID when there are not exactly as many hashes as the size has pieces */
export function torrentOf(digest: Digest, size: number, pieces: Uint8Array): Torrent {
  if (!Number.isSafeInteger(size) || size < 1 || size > BLOB_BYTES_MAX) {
    throw new Fault('TORRENT_INVALID', 'no torrent has this size', { digest, size })
  }
  if (pieces.length !== piecesBytesOf(size)) {
    throw new Fault('TORRENT_INVALID', 'the piece hashes do not fit the size', {
      digest,
      size,
      bytes: pieces.length,
    })
  }
  const pieceLength = pieceLengthOf(size)
  const name = hexOf(digest)
  // Keys in bencode's order: length, name, piece length, pieces, private.
  const info = Buffer.concat([
    Buffer.from(
      `d6:lengthi${size}e4:name${name.length}:${name}12:piece lengthi${pieceLength}e6:pieces${pieces.length}:`,
    ),
    pieces,
    Buffer.from('7:privatei1ee'),
  ])
  const infoHash = createHash('sha1').update(info).digest('hex')
  return { digest, size, pieceLength, pieceCount: pieceCountOf(size), pieces, info, infoHash }
}

/** The metainfo file: no tracker, no date, no comment. */
export function metainfoOf(torrent: Torrent): Uint8Array {
  return Buffer.concat([Buffer.from('d4:info'), torrent.info, Buffer.from('e')])
}

/** Whether `bytes` are the piece at `index`. */
export function isPiece(torrent: Torrent, index: number, bytes: Uint8Array): boolean {
  const expected = torrent.pieces.subarray(index * SHA1_BYTES, (index + 1) * SHA1_BYTES)
  return createHash('sha1').update(bytes).digest().equals(expected)
}

/**
 * Hashes all pieces in one pass. Reads at most a megabyte at a time, so that the event loop is never
 * held for longer than a millisecond.
 */
export async function hashPieces(blob: OpenBlob, signal: AbortSignal): Promise<Uint8Array> {
  const pieceLength = pieceLengthOf(blob.size)
  const hashes = Buffer.alloc(piecesBytesOf(blob.size))
  const buffer = Buffer.allocUnsafe(Math.min(BLOB_READ_CHUNK_BYTES, pieceLength))
  let position = 0
  for (let offset = 0; position < blob.size; offset += SHA1_BYTES) {
    const end = Math.min(position + pieceLength, blob.size)
    const hash = createHash('sha1')
    while (position < end) {
      signal.throwIfAborted()
      const read = await blob.read(buffer.subarray(0, Math.min(buffer.length, end - position)), position)
      if (read === 0) throw new Fault('TORRENT_INVALID', 'the blob is shorter than its size', { position })
      hash.update(buffer.subarray(0, read))
      position += read
    }
    hash.digest().copy(hashes, offset)
  }
  return hashes
}
