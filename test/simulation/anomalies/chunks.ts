import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { sourcesDigest } from '../sources.ts'
import { allAtOnce, anomalies } from './anomalies.ts'

/** Variants between two words about how far a run has come. */
export const CHUNK = 500

/** So many variants of one anomaly, from a seed of their own. */
export interface Chunk {
  readonly anomaly: number
  readonly seed: number
  readonly variants: number
  /** Where in the seed's variants the one to replay is, as fast-check names it. */
  readonly path?: string
}

export interface Lived {
  readonly chunk: Chunk
  readonly seconds: number
  readonly broken?: { readonly path: string; readonly why: string; readonly variant: string }
}

/** @throws RangeError when there is no anomaly of that number */
export async function liveThrough(chunk: Chunk): Promise<Lived> {
  const named = [allAtOnce, ...anomalies].find(({ number }) => number === chunk.anomaly)
  if (!named) throw new RangeError(`there is no anomaly ${chunk.anomaly}`)
  const began = performance.now()
  const { seed, variants: numRuns, path } = chunk
  const result = await fc.check(named.property(), { seed, numRuns, ...(path !== undefined && { path }) })
  const seconds = (performance.now() - began) / 1000
  if (!result.failed) return { chunk, seconds }
  const why = result.errorInstance instanceof Error ? result.errorInstance.message : ''
  const broken = {
    path: result.counterexamplePath ?? '',
    why,
    variant: JSON.stringify(result.counterexample),
  }
  return { chunk, seconds, broken }
}

/** What has been lived through of each anomaly; kept beside the sources, for as long as these stay the same. */
export class Memory {
  readonly #file = join(import.meta.dirname, '..', '..', '..', '.flotilla', 'simulation', 'anomalies.json')
  readonly #sources = sourcesDigest('src/journal', 'test/simulation/anomalies', 'test/simulation/reference')
  readonly #done = new Map<string, number>()

  constructor(fresh: boolean) {
    if (fresh) return
    try {
      const kept = JSON.parse(readFileSync(this.#file, 'utf8')) as {
        sources: string
        done: [string, number][]
      }
      if (kept.sources === this.#sources) for (const [key, seconds] of kept.done) this.#done.set(key, seconds)
    } catch {
      // The first run here.
    }
  }

  /** The seconds it took; undefined where it was not lived through yet. */
  of(chunk: Chunk): number | undefined {
    return this.#done.get(keyOf(chunk))
  }

  add({ chunk, seconds }: Lived): void {
    this.#done.set(keyOf(chunk), seconds)
    mkdirSync(dirname(this.#file), { recursive: true })
    writeFileSync(`${this.#file}.new`, JSON.stringify({ sources: this.#sources, done: [...this.#done] }))
    renameSync(`${this.#file}.new`, this.#file)
  }
}

function keyOf({ anomaly, seed, variants }: Chunk): string {
  return `${anomaly}/${seed}/${variants}`
}
