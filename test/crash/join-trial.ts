import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Crew } from './crew.ts'
import type { Kill } from './disk-steps.ts'
import { Inviter } from './joining.ts'
import { acknowledgedIn, readRecord } from './record.ts'
import type { Trial } from './trial.ts'

export const JOIN = 'join and first catch-up'

/** A cluster that takes in one newcomer after another. */
export class JoinStage {
  readonly #root: string
  readonly #inviter: Inviter
  readonly #crew: Crew

  private constructor(root: string, inviter: Inviter, crew: Crew) {
    this.#root = root
    this.#inviter = inviter
    this.#crew = crew
  }

  static async set(root: string, crew: Crew): Promise<JoinStage> {
    const directory = await mkdtemp(join(root, 'join-'))
    return new JoinStage(directory, await Inviter.start(join(directory, 'inviter')), crew)
  }

  /** The steps of a join that nothing disturbs. */
  async steps(): Promise<string[]> {
    return this.#inNewcomer(async (directory, invite) => {
      const { complaint } = await this.#crew.run({ phase: JOIN, directory, kill: null, invite })
      if (complaint !== undefined) throw new Error(`a join fails undisturbed: ${complaint}`)
      return (await readRecord(directory)).flatMap((line) => ('step' in line ? [line.step] : []))
    })
  }

  async tryStep(kill: Kill, step: string): Promise<Trial> {
    return this.#inNewcomer(async (directory, invite) => {
      const { killed, complaint } = await this.#crew.run({ phase: JOIN, directory, kill, invite })
      const what = `kill -9 ${kill.when} step ${kill.at} (${step})`
      const trial = { phase: JOIN, what, missed: !killed }
      if (complaint !== undefined) return { ...trial, faults: [complaint] }
      try {
        const acknowledged = acknowledgedIn(await readRecord(directory))
        return {
          ...trial,
          faults: await this.#inviter.faultsOf(join(directory, 'node'), invite, acknowledged),
        }
      } catch (error) {
        return {
          ...trial,
          faults: [`could not go on: ${error instanceof Error ? error.stack : String(error)}`],
        }
      }
    })
  }

  async strike(): Promise<void> {
    await this.#inviter.stop()
    await rm(this.#root, { recursive: true, force: true })
  }

  async #inNewcomer<T>(use: (directory: string, invite: string) => Promise<T>): Promise<T> {
    const directory = await mkdtemp(join(this.#root, 'newcomer-'))
    await mkdir(join(directory, 'node'))
    try {
      return await use(directory, await this.#inviter.invite())
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }
}
