/**
 * `npm run sim:anomalies -- --variants N [--only 7] [--seed S] [--path P] [--workers 2] [--fresh]`: lives through N
 * random variants of each of the 24 anomalies (0: of all at once), goes on where an earlier run of the same sources
 * was cut short, and prints what replays the first that breaks its promise.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { orLeave, ownWords, WrongWords } from '../../support/words.ts'
import { allAtOnce, anomalies, type Named, titleOf } from './anomalies.ts'
import { CHUNK, type Chunk, type Lived, liveThrough, Memory } from './chunks.ts'

const { values } = ownWords({
  command: 'npm run sim:anomalies --',
  about: 'Lives through random variants of each of the 24 anomalies, and of all at once.',
  options: {
    variants: { takes: 'count', default: 100_000, says: 'of each anomaly' },
    only: { takes: 'number', most: anomalies.length, says: 'this anomaly; 0 is all at once' },
    seed: { takes: 'number', default: 1, says: 'the first seed' },
    path: { takes: 'text', says: 'replays one variant, as a violation names it' },
    workers: { takes: 'count', default: 1, says: 'at once' },
    fresh: { takes: 'nothing', says: 'does not go on where an earlier run was cut short' },
  },
})
const { variants, workers: crew, seed } = values
const chosen = orLeave(choose)
process.exitCode = values.path === undefined ? await liveAll() : await replay(values.path)

function choose(): Named[] {
  const { only, path } = values
  const chosen = [allAtOnce, ...anomalies].filter(({ number }) => only === undefined || number === only)
  if (path !== undefined && !/^\d+(:\d+)*$/.test(path))
    throw new WrongWords(`--path is numbers with colons between them, not '${path}'`)
  if (path !== undefined && only === undefined)
    throw new WrongWords('--path needs --only: a path is of one anomaly')
  return chosen
}

async function replay(path: string): Promise<number> {
  const [{ number: anomaly } = allAtOnce] = chosen
  const lived = await liveThrough({ anomaly, seed, variants: CHUNK, path })
  report(titleOf(chosen[0] as Named), [lived])
  return lived.broken ? 1 : 0
}

async function liveAll(): Promise<number> {
  const memory = new Memory(values.fresh)
  const hands = Array.from({ length: crew }, () => new Worker(new URL('./worker.ts', import.meta.url)))
  const began = performance.now()
  let livedNow = 0
  let broken = 0
  for (const anomaly of chosen) {
    const chunks = chunksOf(anomaly)
    const lived: Lived[] = chunks.flatMap((chunk) => {
      const seconds = memory.of(chunk)
      return seconds === undefined ? [] : [{ chunk, seconds }]
    })
    const left = chunks.filter((chunk) => memory.of(chunk) === undefined)
    let isBroken = false
    const work = hands.map(async (hand) => {
      for (let chunk = left.shift(); chunk && !isBroken; chunk = left.shift()) {
        hand.postMessage(chunk)
        const [one] = (await once(hand, 'message')) as [Lived]
        lived.push(one)
        livedNow += chunk.variants
        if (one.broken) isBroken = true
        else memory.add(one)
        progress(anomaly, lived, livedNow / ((performance.now() - began) / 1000))
      }
    })
    await Promise.all(work)
    report(titleOf(anomaly), lived)
    if (isBroken) broken++
  }
  await Promise.all(hands.map((hand) => hand.terminate()))
  return broken === 0 ? 0 : 1
}

function chunksOf({ number: anomaly }: Named): Chunk[] {
  return Array.from({ length: Math.ceil(variants / CHUNK) }, (_, at) => ({
    anomaly,
    seed: seed + at,
    variants: Math.min(CHUNK, variants - at * CHUNK),
  }))
}

function progress(anomaly: Named, lived: readonly Lived[], perSecond: number): void {
  if (!process.stderr.isTTY) return
  const text = `${titleOf(anomaly)} ${sum(lived)}/${variants}, ${Math.round(perSecond)}/s`
  process.stderr.write(`\r\u001b[K${text}`)
}

function sum(lived: readonly Lived[]): number {
  return lived.reduce((all, { chunk }) => all + chunk.variants, 0)
}

function report(title: string, lived: readonly Lived[]): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  const seconds = lived.reduce((all, one) => all + one.seconds, 0).toFixed(1)
  const found = lived.find(({ broken }) => broken)
  process.stdout.write(
    `${found ? 'BROKEN' : 'holds '} ${title}: ${sum(lived)} variants, ${seconds} s of one core\n`,
  )
  if (!found?.broken) return
  const { chunk, broken } = found
  process.stdout.write(
    `  npm run sim:anomalies -- --only ${chunk.anomaly} --seed ${chunk.seed} --path ${broken.path}\n`,
  )
  process.stdout.write(`  ${broken.why}\n  ${broken.variant}\n`)
}
