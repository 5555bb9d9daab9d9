import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Crew } from './crew.ts'
import { JOIN, JoinStage } from './join-trial.ts'
import { PHASES } from './phases/phases.ts'
import { losePower } from './power-loss.ts'
import { setStage, type Trial, tryStep } from './trial.ts'

export interface CampaignOptions {
  readonly times: number
  readonly seed: number
  /** Phases whose name begins so; all where left out. */
  readonly only?: string | undefined
  readonly onTrial?: (trial: Trial) => void
  /** Every so many failpoints only, for a short share. */
  readonly stride?: number
}

/** One line of the table. */
export interface Outcome {
  readonly phase: string
  readonly failpoints: number
  readonly runs: number
  readonly torn: number
  readonly powerLosses: number
  readonly missed: number
  readonly faults: number
}

/** Kills a node at each step of each phase, so many times over. */
export async function campaign(options: CampaignOptions): Promise<Outcome[]> {
  const root = await mkdtemp(join(tmpdir(), 'flotilla-crash-'))
  const crew = new Crew()
  const isWanted = (name: string) => options.only === undefined || name.startsWith(options.only)
  try {
    const outcomes: Outcome[] = []
    for (const phase of PHASES.filter(({ name }) => isWanted(name))) {
      const stage = await setStage(phase, root, crew)
      const tally = new Tally(phase.name, stage.steps.length * 2, options.onTrial)
      for (let round = 0; round < options.times; round++) {
        const seed = options.seed + round
        for (const at of failpoints(stage.steps.length, options.stride, round)) {
          for (const when of ['before', 'after'] as const)
            for (const trial of await tryStep(stage, { at, when }, seed, crew)) tally.add(trial)
        }
        for (const at of failpoints(stage.steps.length, options.stride, round)) {
          const trial = await losePower(stage, at, seed)
          // Of the steps only writes to the store are here: the files are real.
          if (!trial) break
          tally.add(trial)
        }
      }
      outcomes.push(tally.outcome())
    }
    if (isWanted(JOIN)) outcomes.push(await joining(root, crew, options))
    return outcomes
  } finally {
    crew.dismiss()
    await rm(root, { recursive: true, force: true })
  }
}

async function joining(root: string, crew: Crew, options: CampaignOptions): Promise<Outcome> {
  let tally: Tally | undefined
  for (let round = 0; round < options.times; round++) {
    // A cluster of its own for each round: thousands of members that never come back are another matter.
    const stage = await JoinStage.set(root, crew)
    const steps = await stage.steps()
    tally ??= new Tally(JOIN, steps.length * 2, options.onTrial)
    for (const at of failpoints(steps.length, options.stride, round)) {
      for (const when of ['before', 'after'] as const) {
        tally.add(await stage.tryStep({ at, when }, steps[at - 1] as string))
      }
    }
    await stage.strike()
  }
  return (tally ?? new Tally(JOIN, 0)).outcome()
}

/** Another part of them in every round where only a part is tried. */
function failpoints(steps: number, stride = 1, round = 0): number[] {
  return Array.from({ length: steps }, (_, index) => index + 1).filter(
    (at) => (at + round) % stride === 0 || at === steps,
  )
}

class Tally {
  readonly #phase: string
  readonly #failpoints: number
  readonly #onTrial: ((trial: Trial) => void) | undefined
  readonly #trials: Trial[] = []

  constructor(phase: string, points: number, onTrial?: (trial: Trial) => void) {
    this.#phase = phase
    this.#failpoints = points
    this.#onTrial = onTrial
  }

  add(trial: Trial): void {
    this.#trials.push(trial)
    this.#onTrial?.(trial)
  }

  outcome(): Outcome {
    const count = (matches: (trial: Trial) => boolean) => this.#trials.filter(matches).length
    return {
      phase: this.#phase,
      failpoints: this.#failpoints,
      runs: count(({ what }) => !what.includes('torn') && !what.startsWith('power')),
      torn: count(({ what }) => what.includes('torn')),
      powerLosses: count(({ what }) => what.startsWith('power')),
      missed: count(({ missed }) => missed),
      faults: count(({ faults }) => faults.length > 0),
    }
  }
}
