import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Forgets, type Held, type Kill, Victim, watchDisks } from './disk-steps.ts'
import { Lines } from './lines.ts'
import { openMember } from './member.ts'
import type { Acknowledged } from './phase.ts'
import { PHASES } from './phases/phases.ts'
import { type Line, RECORD } from './record.ts'
import { readFacts } from './scene.ts'

/** One node that is to die. */
export interface Doom {
  readonly directory: string
  readonly kill: Kill | null
  /** For joining. */
  readonly invite?: string
}

/**
 * What the parent asks for: many nodes, each held still at its own failpoint; when the last is, the process is killed.
 * Starting a process takes ten times as long as what a node does in it.
 */
export interface Job {
  readonly phase: string
  readonly nodes: readonly Doom[]
  readonly forgets?: Forgets
}

/** Longer than any phase takes, however loaded the machine. */
const STUCK_MS = 150_000

async function run({ phase, nodes, forgets }: Job): Promise<void> {
  const lives = nodes.map((doom) => {
    const record = openSync(join(doom.directory, RECORD), 'a')
    const note = (line: Line) => {
      writeSync(record, `${JSON.stringify(line)}\n`)
    }
    return {
      doom,
      note,
      victim: new Victim(join(doom.directory, 'node'), doom.kill, (step) => note({ step })),
    }
  })
  await watchDisks(
    lives.map(({ victim }) => victim),
    forgets,
  )
  await Promise.all(
    lives.map(async ({ doom, note, victim }) => {
      const acknowledge = (acknowledged: Acknowledged) => note({ acknowledged })
      let timer: NodeJS.Timeout | undefined
      const stuck = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`neither held nor done after ${STUCK_MS} ms`)), STUCK_MS)
      })
      const lines = new Lines()
      const living = lines.during(() =>
        doom.invite === undefined ? live(phase, doom, victim, acknowledge) : joins(doom, victim, acknowledge),
      )
      living.catch(() => {})
      victim.held.then(
        () => lines.cut(),
        () => {},
      )
      try {
        const held: Held | undefined = await Promise.race([victim.held, living, stuck])
        if (held) note({ held })
      } catch (error) {
        note({ complaint: error instanceof Error ? String(error.stack) : String(error) })
      }
      clearTimeout(timer)
    }),
  )
}

async function live(
  name: string,
  { directory }: Doom,
  victim: Victim,
  acknowledge: (what: Acknowledged) => void,
): Promise<undefined> {
  const phase = PHASES.find((one) => one.name === name)
  if (!phase) throw new Error(`there is no phase ${name}`)
  const facts = await readFacts(directory)
  victim.durability.logSynced()
  victim.counts = phase.fromStart === true
  const node = await openMember(victim.root, facts.clusterId)
  victim.durability.logSynced()
  victim.counts = true
  await phase.run({ node, facts, acknowledge })
  await node.close()
}

async function joins(
  { invite = '' }: Doom,
  victim: Victim,
  acknowledge: (what: Acknowledged) => void,
): Promise<undefined> {
  // The rest of the program, which no other phase needs.
  const { joinAndWrite } = await import('./joining.ts')
  victim.counts = true
  await joinAndWrite({ root: victim.root, invite, acknowledge, tag: 'first' })
}

process.once('message', (job: Job) => {
  run(job).then(
    () => {
      if (job.nodes.every(({ kill }) => kill === null)) process.exit(0)
      process.kill(process.pid, 'SIGKILL')
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`, () => process.exit(2))
    },
  )
})
