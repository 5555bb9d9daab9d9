import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SeededRandom } from '../simulation/world/random.ts'
import type { Crew } from './crew.ts'
import type { Kill } from './disk-steps.ts'
import type { Phase } from './phase.ts'
import { readRecord } from './record.ts'
import { closeScene, type Facts, layScene } from './scene.ts'
import { tearLog } from './torn-tail.ts'
import { judgeScene } from './verdict.ts'

/** What was tried and what came of it. */
export interface Trial {
  readonly phase: string
  /** Step, side of it, and what the disk did besides. */
  readonly what: string
  /** The process ended before it came to that step: the order of steps is not the same in every run. */
  readonly missed: boolean
  readonly faults: readonly string[]
}

/** A phase's scene, laid out once, and how many steps the phase takes. */
export interface Stage {
  readonly phase: Phase
  readonly directory: string
  readonly facts: Facts
  readonly steps: readonly string[]
}

export async function setStage(phase: Phase, root: string, crew: Crew): Promise<Stage> {
  const directory = join(root, phase.name.replaceAll(/\W+/g, '-'))
  await mkdir(directory, { recursive: true })
  const scene = await layScene(directory)
  await phase.prepare(scene)
  await closeScene(scene)
  const stage = { phase, directory, facts: scene.facts, steps: [] }
  return withCopy(stage, async (copy) => {
    const { complaint } = await crew.run({ phase: phase.name, directory: copy, kill: null })
    if (complaint !== undefined) throw new Error(`${phase.name} does not even run undisturbed: ${complaint}`)
    const steps = (await readRecord(copy)).flatMap((line) => ('step' in line ? [line.step] : []))
    const faults = await judgeScene(copy, phase, scene.facts)
    if (faults.length > 0) throw new Error(`${phase.name} fails undisturbed: ${faults.join('; ')}`)
    return { ...stage, steps }
  })
}

/** Kills a node at one step, then lets power have failed there too: a torn log, where there is anything to tear. */
export async function tryStep(stage: Stage, kill: Kill, seed: number, crew: Crew): Promise<Trial[]> {
  const { phase, facts } = stage
  return withCopy(stage, async (copy) => {
    const { killed, complaint } = await crew.run({ phase: phase.name, directory: copy, kill })
    const what = `kill -9 ${kill.when} step ${kill.at} (${stage.steps[kill.at - 1] ?? '?'})`
    const missed = !killed
    if (complaint !== undefined) return [{ phase: phase.name, what, missed, faults: [complaint] }]
    const trials: Trial[] = []
    if (kill.when === 'after' && killed) {
      const torn = `${copy}-torn`
      await cp(copy, torn, { recursive: true })
      const random = new SeededRandom(seed * 1_000 + kill.at)
      const tear = await tearLog(join(torn, 'node/journal'), await readRecord(torn), random)
      if (tear !== undefined) {
        const faults = await judgeScene(torn, phase, facts)
        trials.push({ phase: phase.name, what: `${what}, log torn: ${tear}`, missed, faults })
      }
      await rm(torn, { recursive: true, force: true })
    }
    const faults = await judgeScene(copy, phase, facts)
    return [{ phase: phase.name, what, missed, faults }, ...trials]
  })
}

async function withCopy<T>(
  { directory }: Pick<Stage, 'directory'>,
  use: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = await mkdtemp(`${directory}-`)
  try {
    await cp(directory, copy, { recursive: true })
    return await use(copy)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
