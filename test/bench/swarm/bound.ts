/** What no way of spreading a blob can beat, payload alone: headers and encryption take some 5 % of a line. */
export interface Lines {
  readonly size: number
  /** Bytes a second out of everybody who has it all. */
  readonly seedersUp: number
  /** Bytes a second out of, and into, each of those who lack it. */
  readonly leecherUp: number
  readonly leecherDown: number
  readonly leechers: number
}

/** max(B/u_s, B/d, N*B/(u_s + sum u_i)) (Mundinger, Weber and Weiss, 2008), in milliseconds. */
export function boundMs({ size, seedersUp, leecherUp, leecherDown, leechers }: Lines): number {
  const everybodysUp = seedersUp + leechers * leecherUp
  return 1000 * Math.max(size / seedersUp, size / leecherDown, (leechers * size) / everybodysUp)
}
