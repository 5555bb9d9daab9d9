/**
 * Plants one mistake after another into a copy of the sources and sees whether the simulation notices:
 * `npm run sim:planted [-- --seeds 400 --from 1] [--only "part of a name"] [--workers 2]`. Fails when one escapes.
 */
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { PLANTED } from './faults.ts'
import { type Hunted, hunt } from './hunt.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '400' },
    from: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    workers: { type: 'string', default: '2' },
    without: { type: 'string' },
  },
})
const root = dirname(dirname(dirname(import.meta.dirname)))
const bugs = PLANTED.filter(({ name }) => name.includes(values.only))
const width = Math.max(...bugs.map(({ name }) => name.length))
const hunted: Hunted[] = []

let next = 0
async function work(): Promise<void> {
  for (;;) {
    const bug = bugs[next++]
    if (!bug) return
    const result = await hunt(bug, {
      root,
      seedsMax: Number(values.seeds),
      from: Number(values.from),
      without: values.without,
    })
    hunted.push(result)
    say(line(result))
  }
}
await Promise.all(Array.from({ length: Number(values.workers) }, work))

const escaped = hunted.filter(({ caughtBy }) => caughtBy === undefined)
const seconds = hunted.reduce((sum, one) => sum + one.seconds, 0)
say(`${hunted.length - escaped.length} of ${hunted.length} caught, ${seconds.toFixed(0)} s of work`)
process.exitCode = escaped.length === 0 ? 0 : 1

function line({ name, caughtBy, seeds, seconds, trouble }: Hunted): string {
  const found = caughtBy ?? (trouble === undefined ? 'ESCAPED' : `NOT PLANTED: ${trouble.trim()}`)
  return `${name.padEnd(width)}  ${String(seeds).padStart(4)} seeds  ${seconds.toFixed(1).padStart(6)} s  ${found}`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
