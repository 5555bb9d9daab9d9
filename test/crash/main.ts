/**
 * `npm run crash -- --times 100 [--only append] [--seed 1] [--lanes 2] [--fresh]`
 *
 * A real node dies at every step at which it changes its disk, while it writes, takes in, decides again, snapshots,
 * prunes and joins: by kill -9, and by a loss of power that takes with it what no fsync covers. Nothing acknowledged
 * may be missing. A run that was cut short goes on where it was, as long as the sources are the same.
 */
import Table from 'cli-table3'
import { orLeave, ownWords, WrongWords } from '../support/words.ts'
import { campaign } from './campaign.ts'
import { KeptRounds } from './kept-rounds.ts'
import { ALL_PHASES, type Round } from './round.ts'
import { HEAD, keptOf, lineOf } from './tally.ts'

const { values } = ownWords({
  command: 'npm run crash --',
  about: 'Kills a node, or takes its power, at every step at which it changes its disk.',
  options: {
    times: { takes: 'count', default: 100, says: 'rounds of each phase' },
    only: { takes: 'text', says: `phases that begin with this: ${ALL_PHASES.join('; ')}` },
    seed: { takes: 'number', default: 1, says: 'what chance is drawn from' },
    lanes: { takes: 'count', default: 2, says: 'rounds at once' },
    fresh: { takes: 'nothing', says: 'does not go on where an earlier run was cut short' },
  },
})
const { times, seed, lanes } = values
const phases = orLeave(() => {
  const { only } = values
  const chosen = ALL_PHASES.filter((name) => only === undefined || name.startsWith(only))
  if (chosen.length === 0) throw new WrongWords(`no phase begins with '${only}'; there are:`, ALL_PHASES)
  return chosen
})
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
