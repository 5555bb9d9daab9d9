import { parseArgs } from 'node:util'
import { type Figure, table } from './figures.ts'
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

const suites: Readonly<Record<string, Readonly<Record<string, (scale: Scale) => Promise<Figure[]>>>>> = {
  ledger: { commit, spread, join, heal, restart, footprint, review },
}

/** What this file runs as in processes that a bench starts; see part.ts. */
const parts: Readonly<Record<string, (...args: string[]) => Promise<void>>> = {
  peer: (kind, directory, cluster) => servePeer(kind as Kind, directory, cluster),
  restart: (directory, cluster) => serveRestart(directory, cluster),
}

const say = (line: string) => process.stdout.write(`${line}\n`)
const note = (line: string) => process.stderr.write(`${line}\n`)

async function run(words: readonly string[], scale: Scale): Promise<number> {
  const [suiteName = '', ...names] = words
  const suite = Object.hasOwn(suites, suiteName) ? suites[suiteName] : undefined
  const unknown = names.filter((name) => !suite || !Object.hasOwn(suite, name))
  if (!suite || unknown.length > 0) {
    for (const [name, benches] of Object.entries(suites)) {
      note(`usage: npm run bench -- ${name} [${Object.keys(benches).join('|')}…] [--brief] [--long]`)
    }
    return 2
  }
  const before = circumstances()
  const figures: Figure[] = []
  let failed = 0
  for (const [name, bench] of Object.entries(suite)) {
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
  say(table(figures))
  return failed === 0 ? 0 : 1
}

const [first, partName, ...partArguments] = process.argv.slice(2)
if (first === 'part') {
  await parts[partName as string]?.(...partArguments)
} else {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { brief: { type: 'boolean', default: false }, long: { type: 'boolean', default: false } },
  })
  process.exitCode = await run(positionals, values)
}
