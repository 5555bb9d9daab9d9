/**
 * Runs seeds until one breaks a promise: `npm run sim -- --seeds 1000 [--from 1] [--nodes 5] [--events 500]
 * [--workers 2] [--without ignorant,I12] [--keep-going] [--fresh]`, or one of them again: `npm run sim -- --seed 17 [--trace]`.
 */
import { execFileSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { orLeave, ownWords, WrongWords } from '../support/words.ts'
import { leftOut } from './left-out.ts'
import { Progress } from './progress.ts'
import { runSeed, type SeedOutcome, withoutStacks } from './run-seeds.ts'
import { forgetProgress, type RunKey, resumedFrom, saveProgress } from './run-state.ts'
import { EVENTS, type Outcome, type RunOptions } from './simulation.ts'
import { sourcesDigest } from './sources.ts'

const SAVE_EVERY = 100
/** Some hundred times what a seed takes, so that a busy machine is no violation. */
const SEED_MS_MAX = 120_000
const NOTHING = {
  events: 0,
  steps: 0,
  nodes: 0,
  acknowledged: 0,
  virtualMs: 0,
  traceHash: '',
  repeated: false,
}

const { values } = ownWords({
  command: 'npm run sim --',
  about: 'Runs seeds, each a cluster and whatever breaks, until one breaks a promise.',
  options: {
    seeds: { takes: 'count', default: 1000, says: 'how many' },
    from: { takes: 'number', default: 1, says: 'the first of them' },
    seed: { takes: 'number', says: 'only this one, again' },
    trace: { takes: 'nothing', says: 'with --seed: prints all that happens' },
    nodes: { takes: 'count', least: 3, most: 7, says: 'drawn from the seed where not said' },
    events: {
      takes: 'count',
      says: `requests, faults and lies go on until so much has happened (${EVENTS})`,
    },
    workers: { takes: 'count', default: 2, says: 'seeds at once' },
    'keep-going': { takes: 'nothing', says: 'does not stop at a seed that breaks a promise' },
    fresh: { takes: 'nothing', says: 'does not go on where an earlier run was cut short' },
    skip: { takes: 'text', default: '', says: 'seeds that are passed over: 3,17' },
    without: { takes: 'text', says: 'lies that are not told, promises not looked at: ignorant,I12' },
    commit: { takes: 'text', says: 'warns where the sources are not at this one' },
  },
})
const { skipped, ...settings } = orLeave(() => ({
  nodes: values.nodes,
  events: values.events,
  without: values.without === undefined ? undefined : leftOut(values.without),
  skipped: new Set(values.skip === '' ? [] : values.skip.split(',').map(seedOf)),
}))
const commit = commitNow()
if (values.commit !== undefined && !commit.startsWith(values.commit)) {
  say(`the sources are at ${commit}, not at ${values.commit}: check that commit out to see the same run`)
}
process.exitCode = values.seed === undefined ? await runMany() : await runOne(values.seed)

async function runOne(seed: number): Promise<number> {
  const outcome = await runSeed({ seed, ...settings, ...(values.trace && { onEvent: say }) })
  report(outcome)
  const { events, steps, nodes, acknowledged, virtualMs, traceHash } = outcome
  say(
    `${nodes} nodes, ${steps} steps, ${events} events, ${acknowledged} ops acknowledged, ${Math.round(virtualMs)} ms of virtual time`,
  )
  say(`trace ${traceHash}`)
  return outcome.violation ? 1 : 0
}

async function runMany(): Promise<number> {
  withoutStacks()
  const { from } = values
  const sources = sourcesDigest(
    'src/journal',
    'src/registry',
    'src/runtime',
    'src/oci',
    'cluster',
    'test/simulation',
  )
  const key: RunKey = { sources, from, ...settings }
  const first = values.fresh ? from : resumedFrom(key)
  const end = from + values.seeds
  if (first > from) say(`goes on at seed ${first}`)
  const progress = new Progress(end - from, first - from)
  const totals = { done: first - from, events: 0, acknowledged: 0, virtualMs: 0, repeated: 0 }
  const found: { first?: Outcome } = {}
  let violations = 0
  let next = first

  /** The first seed that is not over yet. */
  const settled = new Set<number>()
  let clear = first

  const onOutcome = (outcome: SeedOutcome): void => {
    totals.done++
    totals.events += outcome.events
    totals.acknowledged += outcome.acknowledged
    totals.virtualMs += outcome.virtualMs
    if (outcome.repeated) totals.repeated++
    settled.add(outcome.seed)
    while (settled.delete(clear) || (clear < next && skipped.has(clear))) clear++
    if (outcome.violation) violations++
    if (outcome.violation && values['keep-going']) report(outcome)
    else if (outcome.violation && outcome.seed < (found.first?.seed ?? end)) found.first = outcome
    progress.show(totals.done)
    if (totals.done % SAVE_EVERY === 0 && violations === 0) saveProgress(key, clear)
  }
  const crew = Array.from({ length: values.workers }, () => hire())
  const work = crew.map(async (worker) => {
    while (next < end && !found.first) {
      const seed = next++
      if (!skipped.has(seed)) onOutcome(await worker.run({ seed, ...settings }))
    }
  })
  await Promise.all(work)
  await Promise.all(crew.map((worker) => worker.leave()))
  say('')
  if (found.first) report(found.first)
  else forgetProgress()
  const { done, events, acknowledged, virtualMs, repeated } = totals
  say(
    `${done} seeds, ${violations} violations, ${progress.speed(done).toFixed(1)} seeds/s, ${events} events, ` +
      `${acknowledged} ops acknowledged, ${(virtualMs / 3_600_000).toFixed(1)} hours of virtual time, ${repeated} run twice with the same trace hash`,
  )
  return violations > 0 ? 1 : 0
}

interface Hand {
  run(options: RunOptions): Promise<SeedOutcome>
  leave(): Promise<unknown>
}

/** A thread of its own: one that a seed keeps turning round and round is let go of. */
function hire(): Hand {
  const begin = () => new Worker(new URL('./worker.ts', import.meta.url))
  let worker = begin()
  const lost = async (seed: number): Promise<SeedOutcome> => {
    await worker.terminate()
    worker = begin()
    const what = `nothing more was heard of it for ${SEED_MS_MAX / 1000} s`
    return { ...NOTHING, seed, violation: { promise: 'a run ends', what, atMs: 0 } }
  }
  return {
    run: (options) =>
      new Promise((resolve, reject) => {
        const hand = worker
        const release = () => {
          clearTimeout(overdue)
          hand.off('message', onOutcome)
          hand.off('error', onError)
        }
        const onOutcome = (outcome: SeedOutcome) => {
          release()
          resolve(outcome)
        }
        const onError = (error: unknown) => {
          release()
          reject(error instanceof Error ? error : new Error(String(error)))
        }
        const overdue = setTimeout(() => {
          release()
          lost(options.seed).then(resolve, reject)
        }, SEED_MS_MAX)
        hand.once('message', onOutcome)
        hand.once('error', onError)
        hand.postMessage(options)
      }),
    leave: () => worker.terminate(),
  }
}

function report({ seed, violation }: Outcome): void {
  if (!violation) return
  const words = [`--seed ${seed}`]
  if (settings.nodes !== undefined) words.push(`--nodes ${settings.nodes}`)
  if (settings.events !== undefined && settings.events !== EVENTS) words.push(`--events ${settings.events}`)
  if (values.without !== undefined) words.push(`--without ${values.without}`)
  say(`BROKEN ${violation.promise}: ${violation.what.split('\n').slice(0, 8).join(' | ').slice(0, 2000)}`)
  say(`npm run sim -- ${words.join(' ')} --commit ${commit}`)
}

function commitNow(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  try {
    const dirty =
      git('status', '--porcelain', '--', '../../src', '../../cluster', '.') === '' ? '' : '-changed'
    return git('rev-parse', '--short', 'HEAD') + dirty
  } catch {
    return 'unknown'
  }
}

function seedOf(text: string): number {
  if (!/^\d+$/.test(text))
    throw new WrongWords(`--skip takes whole numbers with commas between, not '${values.skip}'`)
  return Number(text)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
