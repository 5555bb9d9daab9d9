/**
 * `npm run sim:swarm -- --schedules 500 [--from 1]`: fleets that pull one blob while their nodes die, lie and slow down.
 * `npm run sim:swarm -- --fleet 100,1000,5000 [--gigabytes 3] [--megabytes-per-second 300]`: large ones in which nothing
 * goes wrong.
 */
import { orLeave, ownWords, WrongWords } from '../../support/words.ts'
import { Progress } from '../progress.ts'
import { Fleet } from './fleet.ts'
import { schedule } from './troubles.ts'

const { values } = ownWords({
  command: 'npm run sim:swarm --',
  about: 'Lets simulated fleets pull one blob: with troubles, or large ones without.',
  options: {
    schedules: { takes: 'count', default: 500, says: 'how many fleets with troubles' },
    from: { takes: 'number', default: 1, says: 'the first of them' },
    fleet: {
      takes: 'text',
      says: 'sizes of fleets without troubles, commas between them; no schedules are run',
    },
    gigabytes: { takes: 'count', default: 3, says: 'with --fleet: of the blob' },
    'megabytes-per-second': { takes: 'count', default: 300, says: 'with --fleet: of each node, each way' },
  },
})
const sizes = orLeave(() => values.fleet?.split(',').map(sizeOf))
process.exitCode = sizes === undefined ? troubled() : large(sizes)

function troubled(): number {
  const progress = new Progress(values.schedules, 0)
  const lost: number[] = []
  let pulls = 0
  for (let n = 0; n < values.schedules; n++) {
    const { unfinished, doneMs } = new Fleet(schedule(values.from + n)).run()
    pulls += unfinished.length + doneMs.length
    if (unfinished.length > 0) {
      lost.push(values.from + n)
      say(`BROKEN a pull with an honest holder ends: ${unfinished.join(', ')}`)
      say(`npm run sim:swarm -- --schedules 1 --from ${values.from + n}`)
    }
    progress.show(n + 1)
  }
  say(`${values.schedules} schedules, ${pulls} pulls, ${lost.length} schedules with a pull that did not end`)
  return lost.length === 0 ? 0 : 1
}

function large(sizes: readonly number[]): number {
  const bytes = values.gigabytes * 1e9
  const rate = values['megabytes-per-second'] * 1e6
  const boundMs = (bytes / rate) * 1000
  say(
    `${values.gigabytes} GB, one holder, ${rate / 1e6} MB/s each way: nobody can be done before ${seconds(boundMs)}`,
  )
  for (const fetchers of sizes) {
    const sites = [{ name: 'hub', fetchers, holders: 1, up: rate, down: rate }]
    const { doneMs, copiesFromHolders } = new Fleet({ seed: 1, bytes, sites }).run()
    const at = (share: number) => seconds(doneMs[Math.ceil(doneMs.length * share) - 1] ?? 0)
    const done = `p50 ${at(0.5)}, p99 ${at(0.99)}, last ${at(1)}`
    say(`${fetchers} nodes, simulated: ${done}, ${copiesFromHolders.toFixed(2)} copies from the holder`)
  }
  return 0
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function sizeOf(text: string): number {
  if (!/^[1-9]\d*$/.test(text))
    throw new WrongWords(`--fleet takes whole numbers with commas between, not '${values.fleet}'`)
  return Number(text)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
