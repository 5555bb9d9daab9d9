/**
 * `npm run crash -- --times 100 [--only append] [--seed 1]`
 *
 * A real node is killed before and after every step at which it changes its disk, while it writes, takes in,
 * decides again, snapshots, prunes and joins; its log is torn, its power lost. Nothing acknowledged may be missing.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { campaign } from './campaign.ts'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})
const [times, seed] = [Number(values.times), Number(values.seed)]
const begun = performance.now()
let trials = 0
let broken = 0
print(`seed ${seed}, every failpoint ${times} times`)
const outcomes = await campaign({
  times,
  seed,
  only: values.only,
  onTrial({ phase, what, faults }) {
    trials++
    if (faults.length > 0) {
      broken++
      print(`${phase}: ${what}`)
      for (const fault of faults) print(`  ${fault}`)
    }
    if (trials % 100 === 0) process.stderr.write(`${trials} trials, ${broken} broken, ${elapsed()}\n`)
  },
})
const head = ['phase', 'failpoints', 'kill -9', 'torn log', 'power lost', 'not reached', 'broken']
const table = new Table({ head, style: { head: [], border: [] } })
for (const { phase, failpoints, runs, torn, powerLosses, missed, faults } of outcomes) {
  table.push([phase, failpoints, runs, torn, powerLosses, missed, faults])
}
print(table.toString())
print(`${trials} trials in ${elapsed()}, ${broken} broken`)
process.exitCode = broken > 0 || trials === 0 ? 1 : 0

function elapsed(): string {
  return `${Math.round((performance.now() - begun) / 1000)} s`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
