import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Doom } from './child.ts'
import type { Crew } from './crew.ts'
import { Inviter } from './joining.ts'
import { readRecord } from './record.ts'
import type { Scenery } from './trial.ts'
import type { Judgement } from './verdict.ts'

export const JOIN = 'join and first catch-up'
/** More at once would wait for each other longer than a join is given. */
const TOGETHER = 16
const JUDGED_TOGETHER = 3

/** A cluster that takes in one newcomer after another. */
export class JoinStage implements Scenery {
  readonly name = JOIN
  readonly together = TOGETHER
  readonly judgedTogether = JUDGED_TOGETHER
  steps: readonly string[] = []
  readonly #root: string
  readonly #inviter: Inviter

  private constructor(root: string, inviter: Inviter) {
    this.#root = root
    this.#inviter = inviter
  }

  static async set(root: string): Promise<JoinStage> {
    const directory = await mkdtemp(join(root, 'join-'))
    return new JoinStage(directory, await Inviter.start(join(directory, 'inviter')))
  }

  /** Lets one join that nothing disturbs, to know its steps. */
  async walk(crew: Crew): Promise<void> {
    const node = await this.ready()
    const { complaint: ended } = await crew.run({ phase: JOIN, nodes: [{ ...node, kill: null }] })
    const { steps, complaint = ended } = readRecord(node.directory)
    if (complaint !== undefined) throw new Error(`a join fails undisturbed: ${complaint}`)
    this.steps = steps
  }

  async ready(): Promise<Omit<Doom, 'kill'>> {
    const directory = await mkdtemp(join(this.#root, 'newcomer-'))
    await mkdir(join(directory, 'node'))
    return { directory, invite: await this.#inviter.invite() }
  }

  async judge({ directory, invite = '' }: Omit<Doom, 'kill'>): Promise<Judgement> {
    const { acknowledged } = readRecord(directory)
    try {
      const faults = await this.#inviter.faultsOf(join(directory, 'node'), invite, acknowledged)
      return { acknowledged: acknowledged.length, faults }
    } catch (error) {
      const fault = `could not go on: ${error instanceof Error ? error.stack : String(error)}`
      return { acknowledged: acknowledged.length, faults: [fault] }
    }
  }

  /** When all have come. */
  faultsOfAll(): Promise<string[]> {
    return this.#inviter.faultsOfAll()
  }

  async strike(): Promise<void> {
    await this.#inviter.stop()
    await rm(this.#root, { recursive: true, force: true })
  }
}
