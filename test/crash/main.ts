/**
 * `npm run crash -- --times 100 [--only append] [--seed 1] [--lanes 2] [--fresh]`
 *
 * A real node dies at every step at which it changes its disk, while it writes, takes in, decides again, snapshots,
 * prunes and joins: by kill -9, and by a loss of power that takes with it what no fsync covers. Nothing acknowledged
 * may be missing. A run that was cut short goes on where it was, as long as the sources are the same.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { campaign } from './campaign.ts'
import { KeptRounds } from './kept-rounds.ts'
import { ALL_PHASES, type Round } from './round.ts'
import { HEAD, keptOf, lineOf } from './tally.ts'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    lanes: { type: 'string', default: '2' },
    fresh: { type: 'boolean', default: false },
  },
})
const [times, seed, lanes] = [values.times, values.seed, values.lanes].map(Number) as [number, number, number]
const begun = performance.now()
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort()
  })
}
const kept = new KeptRounds(seed)
if (values.fresh) kept.forget()
const phases = ALL_PHASES.filter((name) => values.only === undefined || name.startsWith(values.only))
const done = kept.read().filter(({ phase, round }) => phases.includes(phase) && round < times)
const before = done.length
const rounds = phases
  .flatMap((phase) => Array.from({ length: times }, (_, round): Round => ({ phase, round, seed })))
  .filter((one) => !done.some(({ phase, round }) => phase === one.phase && round === one.round))
print(`seed ${seed}, every failpoint ${times} times${before > 0 ? `, ${before} rounds done before` : ''}`)
let trials = 0
await campaign({
  lanes,
  rounds,
  signal: interrupted.signal,
  onRound(result) {
    const line = keptOf(result)
    for (const { phase, what, faults } of result.trials) {
      trials++
      if (faults.length > 0) print(`${phase}: ${what}\n  ${faults.join('\n  ')}`)
    }
    done.push(line)
    if (line.broken === 0) kept.add(line)
    show(result.phase)
  },
})
const table = new Table({ head: HEAD, style: { head: [], border: [] } })
for (const phase of phases) {
  const of = done.filter((line) => line.phase === phase)
  if (of.length > 0) table.push(lineOf(phase, of))
}
print(table.toString())
const broken = done.reduce((sum, line) => sum + line.broken, 0)
print(`${trials} trials in ${elapsed()} s, ${Math.round(trials / elapsed())}/s, ${broken} broken`)
if (interrupted.signal.aborted) print('cut short: the same command goes on from here')
process.exitCode = interrupted.signal.aborted ? 130 : broken > 0 || done.length === 0 ? 1 : 0

function show(phase: string): void {
  const share = (done.length - before) / rounds.length
  const left = Math.round((elapsed() * (1 - share)) / share)
  const filled = Math.round((30 * done.length) / (before + rounds.length))
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(30 - filled)}]`
  const text = `${bar} ${done.length}/${before + rounds.length} rounds, ${trials} trials, ${left} s left, ${phase}`
  process.stderr.write(process.stderr.isTTY ? `\r${text}   ${share === 1 ? '\n' : ''}` : `${text}\n`)
}

function elapsed(): number {
  return Math.max(1, Math.round((performance.now() - begun) / 1000))
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
