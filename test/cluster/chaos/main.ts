/**
 * `npm run chaos -- --schedules N --seconds 30 [--from S] [--lanes 2] [--results FILE]`
 *
 * Five real nodes, a seeded nemesis, people at work, and checkers named after the promises. With --results a
 * line is kept for every schedule that held, and those are not run again as long as the sources are the same; with --histories DIR all calls are kept;
 * --program is another build's bin/flotilla.js.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { removeLeftovers, removeOwn } from '../../support/leftovers.ts'
import { orLeave, ownWords, WrongWords } from '../../support/words.ts'
import { runLanes } from './lanes.ts'
import { FAULT_KINDS } from './nemesis.ts'
import { requirements } from './requirements.ts'
import type { Result } from './schedule.ts'

const { values } = ownWords({
  command: 'npm run chaos --',
  about: 'Five real nodes, faults by schedule, people at work; needs Linux, root and some programs it names.',
  options: {
    schedules: { takes: 'count', default: 10, says: 'how many' },
    seconds: { takes: 'count', default: 30, says: 'faults of each' },
    from: { takes: 'number', default: 1, says: 'the first schedule' },
    lanes: { takes: 'count', default: 1, says: 'clusters at once' },
    results: { takes: 'text', says: 'file for schedules that held; the same sources do not run those again' },
    histories: { takes: 'text', says: 'directory for all calls of all schedules' },
    program: { takes: 'text', says: "another build's bin/flotilla.js" },
  },
})
const { schedules, seconds, from, lanes } = values
orLeave(() => {
  const { program } = values
  if (program !== undefined && !existsSync(program))
    throw new WrongWords(`--program: there is no '${program}'`)
})

/** Shorter runs may miss a kind of fault by chance. */
const SCHEDULES_WITH_ALL_KINDS = 20

/** A schedule that held, with these sources and this long. */
interface Kept extends Result {
  readonly sources: string
  readonly seconds: number
}

function heldBefore(sources: string): Kept[] {
  const { results } = values
  if (results === undefined || !existsSync(results)) return []
  const lines = readFileSync(results, 'utf8').split('\n').filter(Boolean)
  return lines
    .map((line) => JSON.parse(line) as Kept)
    .filter((kept) => kept.sources === sources && kept.seconds === seconds)
    .filter(({ seed }) => seed >= from && seed < from + schedules)
}

/** The commit, and whether it is all there is. */
function sourcesNow(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  try {
    const changed = git('diff', 'HEAD', '--', '../../../src', '../../../cluster', '..')
    const mark = changed === '' ? '' : `-${createHash('sha256').update(changed).digest('hex').slice(0, 8)}`
    return `${values.program ?? ''}${git('rev-parse', '--short=12', 'HEAD').trim()}${mark}`
  } catch {
    return `${values.program ?? ''}unknown`
  }
}

async function main(): Promise<number> {
  const tools = requirements()
  if (!tools) return 0
  if (values.histories !== undefined) mkdirSync(values.histories, { recursive: true })
  if (values.results !== undefined) mkdirSync(dirname(values.results), { recursive: true })
  removeLeftovers()
  process.on('exit', () => removeOwn())
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (interrupted.signal.aborted) process.exit(130)
      interrupted.abort()
    })
  }
  const sources = sourcesNow()
  const before = heldBefore(sources)
  const done = new Set(before.map(({ seed }) => seed))
  const seeds = Array.from({ length: schedules }, (_, index) => from + index).filter(
    (seed) => !done.has(seed),
  )
  const begun = performance.now()
  const left = () => {
    const ran = held.length + broken.length
    return Math.round(((performance.now() - begun) * (seeds.length - ran)) / ran / 60_000)
  }
  const held: Result[] = []
  const broken: Result[] = []
  await runLanes({
    ...tools,
    program: values.program,
    seeds,
    seconds,
    lanes,
    histories: values.histories,
    abort: interrupted.signal,
    onResult(result, kept) {
      ;(kept === undefined ? held : broken).push(result)
      print(
        `[${held.length + broken.length + before.length}/${schedules}, ${left()} min left] ${lineOf(result)}`,
      )
      if (kept === undefined) {
        if (values.results !== undefined)
          appendFileSync(values.results, `${JSON.stringify({ ...result, sources, seconds })}\n`)
        return
      }
      for (const { promise, what, calls } of result.violations.slice(0, 20))
        print(`  ${promise}: ${what}${calls.length > 0 ? ` (calls ${calls.join(', ')})` : ''}`)
      print(`  kept: ${kept}`)
      print(`  again: npm run chaos -- --schedules 1 --seconds ${seconds} --from ${result.seed}`)
    },
  }).catch((error: unknown) => {
    if (!interrupted.signal.aborted) throw error
  })
  const all: Result[] = [...before, ...held, ...broken]
  const sum = (of: (result: Result) => number) => all.reduce((total, result) => total + of(result), 0)
  const slowest = Math.max(0, ...all.map(({ convergedMs }) => convergedMs ?? 0))
  print(
    `chaos: ${held.length} schedules held, ${broken.length} broke a promise, ${before.length} held before; ` +
      `${sum(({ faults }) => faults)} faults, ${sum(({ calls }) => calls.ok + calls.fail + calls.unknown)} calls, ` +
      `slowest to converge ${slowest} ms, ${all.filter(({ compared }) => compared).length} compared with the reference, ` +
      `${Math.round((performance.now() - begun) / 1000)} s`,
  )
  const slow = all.toSorted((a, b) => (b.convergedMs ?? 0) - (a.convergedMs ?? 0))[0]
  print(
    `slowest: schedule ${slow?.seed}; acknowledged ${sum(({ acknowledged }) => acknowledged)} changes of ` +
      `${sum(({ calls }) => calls.ok)} calls that were answered well; ${sum(({ duel }) => Number(duel))} duels of administrators`,
  )
  const kinds = FAULT_KINDS.map((kind) => [kind, sum((result) => result.kinds[kind] ?? 0)] as const)
  print(kinds.map(([kind, count]) => `${kind} ${count}`).join(', '))
  const absent = kinds.filter(([, count]) => count === 0).map(([kind]) => kind)
  const isLong = all.length >= SCHEDULES_WITH_ALL_KINDS
  if (isLong && absent.length > 0) print(`never occurred: ${absent.join(', ')}`)
  if (interrupted.signal.aborted) return 130
  if (isLong && absent.length > 0) return 1
  return broken.length > 0 ? 1 : 0
}

function lineOf({ seed, faults, calls, convergedMs, compared, violations }: Result): string {
  const converged = convergedMs === undefined ? 'did not converge' : `converged in ${convergedMs} ms`
  return (
    `schedule ${seed}: ${faults} faults, calls ${calls.ok} ok ${calls.fail} refused ${calls.unknown} unknown, ` +
    `${converged}${compared ? ', as the reference' : ''}${violations.length > 0 ? `, ${violations.length} VIOLATIONS` : ''}`
  )
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = await main()
