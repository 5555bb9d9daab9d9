import { type Outcome, type RunOptions, simulate } from './simulation.ts'

/** Every so many seeds one is run twice: a run that cannot be repeated proves nothing. */
const REPEAT_EVERY = 100

/** How a seed went. */
export interface SeedOutcome extends Outcome {
  /** It was run twice. */
  readonly repeated: boolean
}

/** Of a long run: faults are thrown by the thousand and mean nothing bad, and what does is looked at seed by seed. */
export function withoutStacks(): void {
  Error.stackTraceLimit = 0
}

/** One seed, with everything it promises. */
export async function runSeed(options: RunOptions): Promise<SeedOutcome> {
  const once = await simulate(options)
  if (once.violation || options.seed % REPEAT_EVERY !== 0) return { ...once, repeated: false }
  const again = await simulate(options)
  const outcome = { ...once, repeated: true }
  if (again.traceHash === outcome.traceHash) return outcome
  const what = `trace ${outcome.traceHash} the first time, ${again.traceHash} the second`
  return { ...outcome, violation: { promise: 'a seed always gives the same run', what, atMs: 0 } }
}
