import type { Crew } from './crew.ts'
import type { Forgets } from './disk-steps.ts'
import { JOIN, JoinStage } from './join-stage.ts'
import { PHASES } from './phases/phases.ts'
import { type Stage, setStage } from './stage.ts'
import { type Attempt, type Cause, type Scenery, type Trial, tryAll } from './trial.ts'
import { judgeNode } from './verdict.ts'

export const ALL_PHASES: readonly string[] = [...PHASES.map(({ name }) => name), JOIN]
const CAUSES: readonly Cause[] = ['kill', 'power']
/** One process of them takes about as long as it takes to start. */
const TOGETHER = 48

/** Each failpoint of a phase once by each cause: a failpoint is a step, and its side changes from round to round. */
export interface Round {
  readonly phase: string
  readonly round: number
  readonly seed: number
  /** Every so many failpoints only, others in every round. */
  readonly stride?: number
  /** Just these. */
  readonly only?: readonly number[]
  /** A fault planted in the program: it no longer waits for the disk. */
  readonly forgets?: Forgets
}

export interface RoundResult {
  readonly phase: string
  readonly round: number
  /** How many steps the phase takes undisturbed. */
  readonly failpoints: number
  readonly trials: readonly Trial[]
}

/** Runs rounds, and keeps what they were set up with. */
export class Rounds {
  readonly #root: string
  readonly #crew: Crew
  readonly #stages = new Map<string, Stage>()

  constructor(root: string, crew: Crew) {
    this.#root = root
    this.#crew = crew
  }

  async run(round: Round): Promise<RoundResult> {
    return round.phase === JOIN ? this.#join(round) : this.#onStage(round)
  }

  async #onStage(round: Round): Promise<RoundResult> {
    const stage = await this.stage(round.phase)
    const scenery: Scenery = {
      name: round.phase,
      steps: stage.steps,
      together: TOGETHER,
      judgedTogether: 2,
      ready: async () => ({ directory: await stage.copy() }),
      judge: ({ directory }) => judgeNode(directory, stage),
    }
    const trials = await tryAll(scenery, attempts(round, stage.steps.length), this.#crew, round.forgets)
    return { phase: round.phase, round: round.round, failpoints: stage.steps.length, trials }
  }

  async stage(name: string): Promise<Stage> {
    const phase = PHASES.find((one) => one.name === name)
    if (!phase) throw new Error(`there is no phase ${name}`)
    const stage = this.#stages.get(name) ?? (await setStage(phase, this.#root, this.#crew))
    this.#stages.set(name, stage)
    return stage
  }

  /** In a cluster of its own: thousands of members that never come back are another matter. */
  async #join(round: Round): Promise<RoundResult> {
    const stage = await JoinStage.set(this.#root)
    try {
      await stage.walk(this.#crew)
      const trials = await tryAll(stage, attempts(round, stage.steps.length), this.#crew, round.forgets)
      const faults = await stage.faultsOfAll()
      const [last] = trials
      if (last && faults.length > 0) trials[0] = { ...last, faults: [...last.faults, ...faults] }
      return { phase: JOIN, round: round.round, failpoints: stage.steps.length, trials }
    } finally {
      await stage.strike()
    }
  }

  async strike(): Promise<void> {
    for (const stage of this.#stages.values()) await stage.strike()
  }
}

function attempts({ round, seed, stride = 1, only }: Round, steps: number): Attempt[] {
  const some = Array.from({ length: steps }, (_, index) => index + 1).filter(
    (at) => (at + round) % stride === 0 || at === steps,
  )
  return (only ?? some).flatMap((at) =>
    CAUSES.map((cause) => {
      const isBefore = (at + round + (cause === 'power' ? 1 : 0)) % 2 === 0
      return { at, when: isBefore ? ('before' as const) : ('after' as const), cause, seed: seed + round }
    }),
  )
}
