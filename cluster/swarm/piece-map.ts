import type { Torrent } from './torrent.ts'

/*
 * The note beside the bytes of a half download:
 *
 *   1 byte    version of this form
 *   20 bytes  infohash: which hashes the pieces agreed with
 *   …         a bit a piece, as in the bitfield of the wire: its bytes are on stable storage
 *
 * What else it could be is another version's, or torn by a worn disk: then no piece is proven.
 */
const VERSION = 1
const HEAD_BYTES = 21

/** Bits, the highest of the first byte first, as in the bitfield of the wire. */
export type Bitfield = Uint8Array

export function emptyBitfield(pieceCount: number): Bitfield {
  return new Uint8Array(Math.ceil(pieceCount / 8))
}

export function hasPiece(bits: Bitfield, piece: number): boolean {
  return ((bits[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0
}

export function addPiece(bits: Bitfield, piece: number): void {
  bits[piece >> 3] = (bits[piece >> 3] ?? 0) | (0x80 >> (piece & 7))
}

export function countOf(bits: Bitfield): number {
  let count = 0
  for (let piece = 0; piece < bits.length * 8; piece++) count += Number(hasPiece(bits, piece))
  return count
}

export function noteOf({ infoHash }: Torrent, durable: Bitfield): Uint8Array {
  return Buffer.concat([Buffer.from([VERSION]), Buffer.from(infoHash, 'hex'), durable])
}

/** The pieces a note says are durable; none where it is not a note about this torrent. */
export function durableIn(note: Uint8Array, { infoHash, pieceCount }: Torrent): Bitfield {
  const none = emptyBitfield(pieceCount)
  const hash = Buffer.from(note.subarray(1, HEAD_BYTES)).toString('hex')
  const fits = note[0] === VERSION && hash === infoHash && note.length === HEAD_BYTES + none.length
  return fits ? note.slice(HEAD_BYTES) : none
}
