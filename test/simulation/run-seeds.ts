import { type Outcome, type RunOptions, simulate } from './simulation.ts'

/** Every so many seeds one is run twice: a run that cannot be repeated proves nothing. */
const REPEAT_EVERY = 100

/** One seed, with everything it promises. */
export async function runSeed(options: RunOptions): Promise<Outcome> {
  const outcome = await simulate(options)
  if (outcome.violation || options.seed % REPEAT_EVERY !== 0) return outcome
  const again = await simulate(options)
  if (again.traceHash === outcome.traceHash) return outcome
  const what = `trace ${outcome.traceHash} the first time, ${again.traceHash} the second`
  return { ...outcome, violation: { promise: 'a seed always gives the same run', what, atMs: 0 } }
}
