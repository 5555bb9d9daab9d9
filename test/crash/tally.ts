import type { RoundResult } from './round.ts'
import type { Cause } from './trial.ts'

/** What of a round is kept: enough for the table, and for not running it again. */
export interface Kept {
  readonly phase: string
  readonly round: number
  readonly failpoints: number
  readonly kills: number
  readonly powerLosses: number
  /** Power losses after which something was not there any more. */
  readonly lossy: number
  readonly acknowledged: number
  readonly missed: number
  readonly broken: number
  /** Acknowledged ops that were gone. */
  readonly lost: number
  /** Failpoints at which a node really died, by cause. */
  readonly hit: Readonly<Record<Cause, readonly number[]>>
}

export function keptOf({ phase, round, failpoints, trials }: RoundResult): Kept {
  const count = (matches: (trial: RoundResult['trials'][number]) => boolean) => trials.filter(matches).length
  const hit = (cause: Cause) =>
    trials.filter((trial) => trial.cause === cause && !trial.missed).map(({ at }) => at)
  return {
    phase,
    round,
    failpoints,
    kills: count(({ cause }) => cause === 'kill'),
    powerLosses: count(({ cause }) => cause === 'power'),
    lossy: count(({ lossy }) => lossy),
    acknowledged: trials.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    missed: count(({ missed }) => missed),
    broken: count(({ faults }) => faults.length > 0),
    lost: trials.reduce(
      (sum, { faults }) => sum + faults.filter((fault) => fault.includes('lost: ')).length,
      0,
    ),
    hit: { kill: hit('kill'), power: hit('power') },
  }
}

/** One line of the table. */
export function lineOf(phase: string, rounds: readonly Kept[]): (string | number)[] {
  const sum = (of: (kept: Kept) => number) => rounds.reduce((total, kept) => total + of(kept), 0)
  const hit = (cause: Cause) => new Set(rounds.flatMap((kept) => kept.hit[cause])).size
  const failpoints = Math.max(0, ...rounds.map((kept) => kept.failpoints))
  return [
    phase,
    rounds.length,
    failpoints,
    `${hit('kill')} / ${hit('power')}`,
    sum(({ kills }) => kills),
    sum(({ powerLosses }) => powerLosses),
    sum(({ lossy }) => lossy),
    sum(({ missed }) => missed),
    sum(({ acknowledged }) => acknowledged),
    sum(({ lost }) => lost),
    sum(({ broken }) => broken),
  ]
}

export const HEAD = [
  'phase',
  'rounds',
  'failpoints',
  'died at (kill / power)',
  'kill -9',
  'power lost',
  'of these lossy',
  'not reached',
  'acknowledged ops',
  'lost',
  'broken',
]
