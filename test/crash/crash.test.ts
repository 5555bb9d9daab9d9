import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { campaign } from './campaign.ts'
import { Crew } from './crew.ts'
import { JOIN } from './join-trial.ts'
import type { Phase } from './phase.ts'
import { PHASES } from './phases/phases.ts'
import { RECORD } from './record.ts'
import { closeScene, layScene } from './scene.ts'
import { setStage, tryStep } from './trial.ts'
import { judgeScene } from './verdict.ts'

const SEED = 1
/** Every so many failpoints; `npm run crash` takes all of them, 100 times. */
const STRIDE = 8

for (const only of [...PHASES.map(({ name }) => name), JOIN]) {
  test(`nothing acknowledged is lost to kill -9, a torn log or lost power: ${only}`, async () => {
    const broken: unknown[] = []
    const onTrial = (trial: { faults: readonly string[] }) => {
      if (trial.faults.length > 0) broken.push(trial)
    }
    const [outcome] = await campaign({ times: 2, seed: SEED, only, stride: STRIDE, onTrial })
    expect(broken).toEqual([])
    expect(outcome?.runs).toBeGreaterThan(3)
    expect(outcome?.missed).toBeLessThanOrEqual(only === JOIN ? 2 : 0)
  }, 120_000)
}

test('an install that is killed as it begins or ends leaves the state hash and the log’s beginning right', async () => {
  const root = await mkdtemp(join(tmpdir(), 'flotilla-crash-'))
  const crew = new Crew()
  onTestFinished(async () => {
    crew.dismiss()
    await rm(root, { recursive: true, force: true })
  })
  const phase = PHASES.find(({ name }) => name === 'snapshot installed') as Phase
  const stage = await setStage(phase, root, crew)
  // Two commits, what is put aside (twice), the mark, and the first rows that go; then where all rows have come.
  for (const at of [3, 4, 5, 6, stage.steps.length - 2, stage.steps.length - 1]) {
    const trials = await tryStep(stage, { at, when: 'after' }, SEED, crew)
    expect(trials.flatMap(({ faults }) => faults)).toEqual([])
  }
})

test('a record that was acknowledged and is not there is found out', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-crash-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const scene = await layScene(directory)
  await closeScene(scene)
  const said = { ids: ['an-op-nobody-wrote'], tag: 'lost' }
  await appendFile(join(directory, RECORD), `${JSON.stringify({ acknowledged: said })}\n`)
  expect(await judgeScene(directory, {}, scene.facts)).toContain('lost: lost')
})
