/**
 * `npm run sim:anomalies -- --variants N [--only 7] [--seed S] [--path P]`: lives through N random variants of each
 * of the 24 anomalies (0: of all at once), and prints what replays the first that breaks its promise.
 */
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { allAtOnce, anomalies, titleOf } from './anomalies.ts'

/** Between two words about how far it has come. */
const CHUNK = 500

const { values } = parseArgs({
  options: {
    variants: { type: 'string', default: '100000' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    path: { type: 'string' },
  },
})
const variants = Number(values.variants)
const chosen = [allAtOnce, ...anomalies].filter(
  ({ number }) => values.only === undefined || number === Number(values.only),
)
if (chosen.length === 0 || !Number.isInteger(variants) || variants < 1) {
  process.stderr.write('usage: sim:anomalies [--variants N] [--only 0-24] [--seed S] [--path P]\n')
  process.exit(2)
}

const say = (text: string) => process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : '')
let broken = 0
for (const anomaly of chosen) {
  const began = performance.now()
  let done = 0
  let failure: fc.RunDetails<unknown> | undefined
  let seed = Number(values.seed)
  while (done < variants && !failure) {
    const numRuns = values.path === undefined ? Math.min(CHUNK, variants - done) : variants
    const result = await fc.check(anomaly.property(), {
      seed,
      numRuns,
      ...(values.path !== undefined && { path: values.path }),
    })
    if (result.failed) failure = result
    done += result.numRuns
    if (!result.failed) seed++
    const perSecond = Math.round((done * 1000) / (performance.now() - began))
    say(`${titleOf(anomaly)} ${done}/${variants}, ${perSecond}/s`)
    if (values.path !== undefined) break
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  say('')
  process.stdout.write(
    `${failure ? 'BROKEN' : 'holds '} ${titleOf(anomaly)}: ${done} variants, ${seconds} s\n`,
  )
  if (!failure) continue
  broken++
  process.stdout.write(
    `  npm run sim:anomalies -- --only ${anomaly.number} --seed ${failure.seed} --path ${failure.counterexamplePath}\n`,
  )
  process.stdout.write(`  ${failure.errorInstance instanceof Error ? failure.errorInstance.message : ''}\n`)
  process.stdout.write(`  ${JSON.stringify(failure.counterexample)}\n`)
}
process.exitCode = broken === 0 ? 0 : 1
