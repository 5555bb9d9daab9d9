import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Crew } from './crew.ts'
import { type Round, Rounds } from './round.ts'

/** A process that runs one round after another, for as long as somebody asks. */
const root = await mkdtemp(join(tmpdir(), 'flotilla-crash-'))
const crew = new Crew(1)
const rounds = new Rounds(root, crew)

process.on('message', (round: Round) => {
  rounds.run(round).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
  )
})
process.on('disconnect', () => {
  crew.dismiss()
  void rm(root, { recursive: true, force: true }).finally(() => process.exit())
})
