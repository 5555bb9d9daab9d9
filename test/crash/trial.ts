import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SeededRandom } from '../simulation/world/random.ts'
import type { Doom, Job } from './child.ts'
import type { Crew } from './crew.ts'
import type { Forgets, Kill } from './disk-steps.ts'
import { losePower } from './power-loss.ts'
import { readRecord } from './record.ts'
import type { Judgement } from './verdict.ts'

/** `kill`: kill -9, and the disk has all that was written. `power`: what no fsync covers is lost as well. */
export type Cause = 'kill' | 'power'

/** One node's death that is to be tried. */
export interface Attempt extends Kill {
  readonly cause: Cause
  readonly seed: number
}

/** What was tried and what came of it. */
export interface Trial {
  readonly phase: string
  readonly cause: Cause
  readonly at: number
  /** The step, its side, and what the disk lost besides. */
  readonly what: string
  /** The phase was over before it came to that step: the order of steps is not the same in every run. */
  readonly missed: boolean
  /** Power failed, and something was not there any more. */
  readonly lossy: boolean
  /** Acknowledged ops that were looked for. */
  readonly acknowledged: number
  readonly faults: readonly string[]
}

/** A phase as trials see it. */
export interface Scenery {
  readonly name: string
  readonly steps: readonly string[]
  /** Nodes in one process. */
  readonly together: number
  /** Judgements at once. */
  readonly judgedTogether: number
  ready(): Promise<Omit<Doom, 'kill'>>
  judge(node: Omit<Doom, 'kill'>): Promise<Judgement>
}

/** Lets nodes run in one process, each to its own failpoint, kills it, and judges what each has left. */
export async function tryAll(
  scenery: Scenery,
  attempts: readonly Attempt[],
  crew: Crew,
  forgets?: Forgets,
): Promise<Trial[]> {
  const trials: Trial[] = []
  for (let from = 0; from < attempts.length; from += scenery.together) {
    const some = attempts.slice(from, from + scenery.together)
    const nodes: Doom[] = []
    for (const { at, when } of some) nodes.push({ ...(await scenery.ready()), kill: { at, when } })
    const job: Job = { phase: scenery.name, nodes, ...(forgets && { forgets }) }
    const end = await crew.run(job)
    const left = some.map((attempt, index) => ({ attempt, node: nodes[index] as Doom }))
    const judges = Array.from({ length: scenery.judgedTogether }, async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        trials.push(await judged(scenery, one.attempt, one.node, end.complaint))
        await rm(one.node.directory, { recursive: true, force: true })
      }
    })
    await Promise.all(judges)
  }
  return trials
}

async function judged(
  scenery: Scenery,
  { cause, at, when, seed }: Attempt,
  node: Doom,
  ended: string | undefined,
): Promise<Trial> {
  const { held, complaint = ended } = readRecord(node.directory)
  const place = `${when} step ${at} (${held?.step ?? scenery.steps[at - 1] ?? '?'})`
  const lost =
    cause === 'power' && held
      ? await losePower(join(node.directory, 'node'), held.unsynced, new SeededRandom(seed * 1_000 + at))
      : []
  const trial = {
    phase: scenery.name,
    cause,
    at,
    what: cause === 'kill' ? `kill -9 ${place}` : `power lost ${place}: ${lost.join('; ') || 'nothing'}`,
    missed: held === undefined,
    lossy: lost.length > 0,
  }
  if (complaint !== undefined) return { ...trial, acknowledged: 0, faults: [complaint] }
  return { ...trial, ...(await scenery.judge(node)) }
}
