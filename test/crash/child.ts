import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Kill, newestLog, watchDisk } from './disk-steps.ts'
import { joinAndWrite } from './joining.ts'
import { openMember } from './member.ts'
import type { Acknowledged } from './phase.ts'
import { PHASES } from './phases/phases.ts'
import { type Line, RECORD } from './record.ts'
import { readFacts } from './scene.ts'

/** What the parent asks for. The process is started ahead of time and waits for it. */
export interface Job {
  readonly phase: string
  readonly directory: string
  readonly kill: Kill | null
  /** For joining. */
  readonly invite?: string
}

async function run({ phase: name, directory, kill, invite }: Job): Promise<void> {
  const record = openSync(join(directory, RECORD), 'a')
  const note = (line: Line) => writeSync(record, `${JSON.stringify(line)}\n`)
  const root = join(directory, 'node')
  const noteLog = () => {
    const synced = newestLog(join(root, 'journal'))
    if (synced) note({ synced })
  }
  const onStep = (step: string) => {
    note({ step })
    if (step === 'batch') noteLog()
  }
  const acknowledge = (acknowledged: Acknowledged) => {
    note({ acknowledged })
  }
  if (invite !== undefined) {
    await watchDisk({ kill, onStep })
    return joinAndWrite({ root, invite, acknowledge, tag: 'first' })
  }
  const facts = await readFacts(directory)
  const phase = PHASES.find((one) => one.name === name)
  if (!phase) throw new Error(`there is no phase ${name}`)
  noteLog()
  if (phase.fromStart) await watchDisk({ kill, onStep })
  const node = await openMember(root, facts.clusterId)
  if (!phase.fromStart) {
    noteLog()
    await watchDisk({ kill, onStep })
  }
  await phase.run({ node, facts, acknowledge })
  await node.close()
}

process.once('message', (job: Job) => {
  run(job).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`, () => process.exit(2))
    },
  )
})
