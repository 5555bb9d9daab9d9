/** Time comes in by hand, so that tests and the simulation own it. */
export interface Clock {
  /** Wall time in milliseconds since 1970: for people to read, never to decide between two sites. */
  now(): number
  /** Milliseconds that only go forward: for timeouts and lifetimes. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
