import type { Random } from '../runtime/random.ts'

/** Harbor's ids: positive 31-bit numbers. */
const NUMBER_MAX = 2 ** 31 - 1
/** Drawn at once, so that one commit is enough even where a draw is taken. */
const NUMBERS_DRAWN = 4

/**
 * Candidates for a new record's number; the plan takes the first that is free. Random, since sites draw
 * without asking each other.
 */
export function drawNumbers(random: Random): readonly number[] {
  return Array.from({ length: NUMBERS_DRAWN }, () => 1 + random.integer(NUMBER_MAX))
}
