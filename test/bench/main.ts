import { removeLeftovers, removeOwn } from '../support/leftovers.ts'
import { orLeave, ownWords, WrongWords } from '../support/words.ts'
import { type Figure, type Titles, table } from './figures.ts'
import { commit } from './ledger/commit.ts'
import { footprint } from './ledger/footprint.ts'
import { heal } from './ledger/heal.ts'
import { join } from './ledger/join.ts'
import { type Kind, servePeer } from './ledger/peer.ts'
import { restart, serveRestart } from './ledger/restart.ts'
import { review } from './ledger/review.ts'
import { spread } from './ledger/spread.ts'
import { circumstances } from './place.ts'
import type { Scale } from './scale.ts'
import { firstByte } from './swarm/first-byte.ts'
import { fleetPull } from './swarm/fleet-pull.ts'
import { growth } from './swarm/growth.ts'
import { held } from './swarm/held.ts'
import { crowd, pair, serveMembers } from './swarm/pair.ts'
import { serveShip } from './swarm/ship.ts'
import { sites } from './swarm/sites.ts'
import { spread as swarmSpread } from './swarm/spread.ts'

interface Suite extends Titles {
  readonly benches: Readonly<Record<string, (scale: Scale) => Promise<Figure[]>>>
}

const suites: Readonly<Record<string, Suite>> = {
  ledger: {
    ours: 'this ledger',
    stock: 'stock OrbitDB',
    benches: { commit, spread, join, heal, restart, footprint, review },
  },
  swarm: {
    ours: 'this swarm',
    stock: 'beside it',
    benches: {
      pair,
      crowd,
      spread: swarmSpread,
      sites,
      growth,
      'first-byte': firstByte,
      held,
      'fleet-pull': fleetPull,
    },
  },
}

/** What this file runs as in processes that a bench starts; see part.ts. */
const parts: Readonly<Record<string, (...args: string[]) => Promise<void>>> = {
  peer: (kind, directory, cluster) => servePeer(kind as Kind, directory, cluster),
  restart: (directory, cluster) => serveRestart(directory, cluster),
  members: (directory, many, thread) => serveMembers(directory, many, thread),
  ship: (directory, address, site) => serveShip(directory, address, site),
}

const say = (line: string) => process.stdout.write(`${line}\n`)
const note = (line: string) => process.stderr.write(`${line}\n`)

function choose([suiteName = '', ...names]: readonly string[]) {
  const suite = Object.hasOwn(suites, suiteName) ? suites[suiteName] : undefined
  if (suiteName === '') throw new WrongWords('a suite has to be named; there are:', Object.keys(suites))
  if (!suite) throw new WrongWords(`no suite is called '${suiteName}'; there are:`, Object.keys(suites))
  const { benches } = suite
  const unknown = names.find((name) => !Object.hasOwn(benches, name))
  if (unknown !== undefined)
    throw new WrongWords(`no bench of ${suiteName} is called '${unknown}'; there are:`, Object.keys(benches))
  return { suite, names }
}

async function run(words: readonly string[], scale: Scale): Promise<number> {
  const { suite, names } = orLeave(() => choose(words))
  removeLeftovers()
  process.once('exit', () => removeOwn())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const before = circumstances()
  const figures: Figure[] = []
  let failed = 0
  for (const [name, bench] of Object.entries(suite.benches)) {
    if (names.length > 0 && !names.includes(name)) continue
    const startedAt = performance.now()
    note(`${name} …`)
    try {
      figures.push(...(await bench(scale)))
    } catch (error) {
      failed++
      note(`${name} failed: ${error instanceof Error ? error.stack : String(error)}`)
    }
    note(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  }
  say(`${before}${scale.brief ? '; brief run, rough figures' : ''}\n`)
  say(table(figures, suite))
  return failed === 0 ? 0 : 1
}

const [first, partName, ...partArguments] = process.argv.slice(2)
if (first === 'part') {
  await parts[partName as string]?.(...partArguments)
} else {
  const { values, names } = ownWords({
    command: 'npm run bench --',
    about: `Measures, and prints a table. ${Object.entries(suites)
      .map(([name, { benches }]) => `Of ${name}: ${Object.keys(benches).join(', ')}; without a name all.`)
      .join(' ')}`,
    names: 'SUITE [BENCH...]',
    options: {
      brief: { takes: 'nothing', says: 'shows that it works; rough figures' },
      long: { takes: 'nothing', says: 'with the cases of 1,000,000 ops' },
    },
  })
  process.exitCode = await run(names, values)
}
