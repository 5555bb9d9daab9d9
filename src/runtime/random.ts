import { randomBytes, randomInt } from 'node:crypto'

/** Chance comes in by hand, so that a run can be replayed from its seed. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array
  /** A whole number, 0 <= n < `below` (at most 2^48 - 1). */
  integer(below: number): number
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  integer: (below) => randomInt(below),
}
