/**
 * Plants one mistake after another into a copy of the sources and sees whether the simulation notices:
 * `npm run sim:planted [-- --seeds 2000 --from 1] [--only "part of a name|of another"] [--workers 2]`. Fails when one escapes.
 */
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { PLANTED } from './faults.ts'
import { baseline, type Hunted, hunt } from './hunt.ts'
import { plant } from './plant.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    workers: { type: 'string', default: '2' },
    without: { type: 'string' },
  },
})
// One copy for all, so that what somebody edits meanwhile is nobody's catch.
const sources = plant(dirname(dirname(dirname(import.meta.dirname))), {
  name: 'the sources as they are',
  edits: [],
})
const asked = {
  root: sources.directory,
  seedsMax: Number(values.seeds),
  from: Number(values.from),
  without: values.without,
}
const skip = await baseline(asked)
if (skip.length > 0)
  say(`without any mistake planted these seeds break a promise, and are left out: ${skip.join(', ')}`)
const bugs = PLANTED.filter(({ name }) => values.only.split('|').some((part) => name.includes(part)))
const width = Math.max(...bugs.map(({ name }) => name.length))
const hunted: Hunted[] = []

let next = 0
async function work(): Promise<void> {
  for (;;) {
    const bug = bugs[next++]
    if (!bug) return
    const result = await hunt(bug, { ...asked, skip })
    hunted.push(result)
    say(line(result))
  }
}
await Promise.all(Array.from({ length: Number(values.workers) }, work))

sources.remove()

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
