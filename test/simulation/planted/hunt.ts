import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { PlantedBug } from './faults.ts'
import { plant } from './plant.ts'

export interface Hunted {
  readonly name: string
  /** The promise that was seen to be broken; undefined where the mistake escaped. */
  readonly caughtBy: string | undefined
  readonly seeds: number
  readonly seconds: number
  /** Why it could not even be planted or run. */
  readonly trouble: string | undefined
}

export interface HuntOptions {
  readonly root: string
  /** Seeds after which it counts as escaped. */
  readonly seedsMax: number
  /** The first seed. */
  readonly from?: number | undefined
  /** As for main.ts: what is known to be broken anyway. */
  readonly without?: string | undefined
  /** Seeds that find something without any mistake being planted. */
  readonly skip?: readonly number[] | undefined
}

/**
 * Seeds that break a promise of the sources as they are: a mistake is not caught by these.
 * @throws Error when the simulation does not even run
 */
export async function baseline(options: HuntOptions): Promise<number[]> {
  const output = await run(options.root, [
    join(options.root, 'test/simulation/main.ts'),
    '--keep-going',
    ...wordsFor(options),
  ])
  if (!/^\d+ seeds, /m.test(output)) throw new Error(`the simulation does not run: ${output.slice(-1000)}`)
  return [...output.matchAll(/^npm run sim -- --seed (\d+)/gm)].map(([, seed]) => Number(seed))
}

function wordsFor({ seedsMax, from = 1, without, skip = [] }: HuntOptions): string[] {
  const words = [
    '--fresh',
    '--workers',
    '1',
    '--from',
    String(from),
    '--seeds',
    String(seedsMax),
    '--skip',
    skip.join(),
  ]
  return without === undefined ? words : [...words, '--without', without]
}

/** Runs seeds against a copy with the mistake in it until one breaks a promise. */
export async function hunt(planted: PlantedBug, options: HuntOptions): Promise<Hunted> {
  const { name } = planted
  const startMs = performance.now()
  const done = (caughtBy: string | undefined, seeds: number, trouble?: string): Hunted => {
    const seconds = (performance.now() - startMs) / 1000
    return { name, caughtBy, seeds, seconds, trouble }
  }
  let copy: ReturnType<typeof plant>
  try {
    copy = plant(options.root, planted)
  } catch (error) {
    return done(undefined, 0, String(error))
  }
  try {
    const main = join(copy.directory, 'test/simulation/main.ts')
    const output = await run(copy.directory, [main, ...wordsFor(options)])
    const broken = /^BROKEN ([^:]+):/m.exec(output)?.[1]
    const seeds = Number(/^(\d+) seeds, /m.exec(output)?.[1] ?? 0)
    return done(broken, seeds, seeds === 0 ? output.slice(-500) : undefined)
  } finally {
    copy.remove()
  }
}

function run(cwd: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (data) => {
      output += String(data)
    })
    child.stderr.on('data', (data) => {
      output += String(data)
    })
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
}
