import { encode } from './cbor-encode.ts'
import type { HistoryOp, Refused } from './rows.ts'

/** Ops are never changed, only replaced: their bytes stay true of them. */
const known = new WeakMap<HistoryOp, Uint8Array>()

/** As `encode`, but of a history that grew, or of which some verdicts changed, only what is new is encoded. */
export function encodeHistory(history: readonly HistoryOp[]): Uint8Array {
  return Buffer.concat([headOf(history.length), ...history.map(bytesOf)])
}

function bytesOf(op: HistoryOp): Uint8Array {
  const before = known.get(op)
  if (before) return before
  const bytes = encode(op)
  known.set(op, bytes)
  return bytes
}

/** The op with another verdict, which stands last in its bytes: no other field has so long a name. */
export function withVerdict(op: HistoryOp, refused: Refused | null): HistoryOp {
  const decided = { ...op, refused }
  const bytes = known.get(op)
  if (bytes) {
    const rest = bytes.subarray(0, bytes.length - encode(op.refused).length)
    known.set(decided, Buffer.concat([rest, encode(refused)]))
  }
  return decided
}

const ARRAY = 0x80

function headOf(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(ARRAY | length)
  if (length < 0x100) return Uint8Array.of(ARRAY | 24, length)
  if (length < 0x1_0000) return Uint8Array.of(ARRAY | 25, length >> 8, length & 0xff)
  return Uint8Array.of(ARRAY | 26, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
}
