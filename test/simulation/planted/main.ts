/**
 * Plants one mistake after another into a copy of the sources and sees whether the simulation notices:
 * `npm run sim:planted [-- --seeds 2000 --from 1] [--only "part of a name|of another"] [--workers 2]`,
 * `--list` for their names. Fails when one escapes.
 */
import { dirname } from 'node:path'
import { orLeave, ownWords, WrongWords } from '../../support/words.ts'
import { leftOut } from '../left-out.ts'
import { PLANTED, type PlantedBug } from './faults.ts'
import { baseline, type Hunted, hunt } from './hunt.ts'
import { plant } from './plant.ts'

const { values } = ownWords({
  command: 'npm run sim:planted --',
  about: 'Plants one mistake after another into a copy of the sources; fails when the simulation misses one.',
  options: {
    list: { takes: 'nothing', says: 'names the mistakes and ends' },
    only: { takes: 'text', says: "those whose name has this in it, several with '|' between them" },
    seeds: { takes: 'count', default: 2000, says: 'after so many seeds a mistake has escaped' },
    from: { takes: 'number', default: 1, says: 'the first seed' },
    workers: { takes: 'count', default: 2, says: 'mistakes at once' },
    without: { takes: 'text', says: 'lies and promises (ignorant,I12) left out, as for sim' },
  },
})
if (values.list) {
  say(PLANTED.map(({ name }) => name).join('\n'))
  process.exit(0)
}
const bugs = orLeave(choose)

function choose(): readonly PlantedBug[] {
  if (values.without !== undefined) leftOut(values.without)
  const parts = values.only?.split('|')
  if (!parts) return PLANTED
  const names = PLANTED.map(({ name }) => name)
  const unknown = parts.find((part) => part === '' || !names.some((name) => name.includes(part)))
  if (unknown !== undefined)
    throw new WrongWords(`no mistake has '${unknown}' in its name; there are:`, names)
  return PLANTED.filter(({ name }) => parts.some((part) => name.includes(part)))
}

// One copy for all, so that what somebody edits meanwhile is nobody's catch.
const sources = plant(dirname(dirname(dirname(import.meta.dirname))), {
  name: 'the sources as they are',
  edits: [],
})
const asked = {
  root: sources.directory,
  seedsMax: values.seeds,
  from: values.from,
  without: values.without,
}
const skip = await baseline(asked)
if (skip.length > 0)
  say(`without any mistake planted these seeds break a promise, and are left out: ${skip.join(', ')}`)
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
await Promise.all(Array.from({ length: values.workers }, work))

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
