import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Crew } from './crew.ts'
import { JOIN } from './join-stage.ts'
import { RECORD } from './record.ts'
import { ALL_PHASES, type RoundResult, Rounds } from './round.ts'
import { judgeNode } from './verdict.ts'

const SEED = 1
/** Every so many failpoints; `npm run crash` takes all of them, 100 times. */
const STRIDE = 8

async function rounds(): Promise<Rounds> {
  const root = await mkdtemp(join(tmpdir(), 'flotilla-crash-'))
  const crew = new Crew()
  const made = new Rounds(root, crew)
  onTestFinished(async () => {
    await made.strike()
    crew.dismiss()
    await rm(root, { recursive: true, force: true })
  })
  return made
}

function brokenIn({ trials }: RoundResult) {
  return trials.filter(({ faults }) => faults.length > 0)
}

for (const phase of ALL_PHASES) {
  test(`nothing acknowledged is lost to kill -9 or to lost power: ${phase}`, async () => {
    const all = await rounds()
    for (const round of [0, 1]) {
      const result = await all.run({ phase, round, seed: SEED, stride: phase === JOIN ? 2 * STRIDE : STRIDE })
      expect(brokenIn(result)).toEqual([])
      const died = result.trials.filter(({ missed }) => !missed)
      expect(died.length).toBeGreaterThanOrEqual(phase === JOIN ? 2 : result.trials.length)
    }
  }, 240_000)
}

test('an install that dies as it begins or ends leaves the state hash and the log’s beginning right', async () => {
  const all = await rounds()
  const { length } = (await all.stage('snapshot installed')).steps
  // Two commits, what is put aside (twice), the mark, and the first rows that go; then where all rows have come.
  const only = [3, 4, 5, 6, length - 2, length - 1]
  for (const round of [0, 1]) {
    const result = await all.run({ phase: 'snapshot installed', round, seed: SEED, only })
    expect(result.trials.length).toBe(only.length * 2)
    expect(brokenIn(result)).toEqual([])
  }
}, 180_000)

test('a record that was acknowledged and is not there is found out', async () => {
  const stage = await (await rounds()).stage('append, 1 caller')
  const directory = await stage.copy()
  const said = { ids: ['an-op-nobody-wrote'], tag: 'lost' }
  await appendFile(join(directory, RECORD), `${JSON.stringify({ acknowledged: said })}\n`)
  expect((await judgeNode(directory, stage)).faults).toContain('lost: lost')
})

test('a program that forgets to sync its log, or its files, is found out by lost power', async () => {
  const all = await rounds()
  const append = await all.run({ phase: 'append, 1 caller', round: 0, seed: SEED, forgets: 'log' })
  const causes = new Set(brokenIn(append).map(({ cause }) => cause))
  expect([...causes]).toEqual(['power'])
  expect(brokenIn(append).flatMap(({ faults }) => faults)).toContainEqual(
    expect.stringContaining('lost: lone-'),
  )
  const join = await all.run({ phase: JOIN, round: 0, seed: SEED, only: [40, 44], forgets: 'files' })
  expect(brokenIn(join).map(({ cause }) => cause)).toContain('power')
}, 180_000)
