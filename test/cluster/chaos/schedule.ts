import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { check, type Ending, type Violation } from './checkers/check.ts'
import { PATIENCE_MS } from './checkers/ending.ts'
import type { ChaosCluster } from './cluster.ts'
import { History } from './history.ts'
import { Nemesis } from './nemesis.ts'
import { Seeded } from './seeded.ts'
import { settle } from './settling.ts'
import { Workload } from './workload.ts'

/** Every so many schedules administrators fight for the right at the end. */
const DUEL_EVERY = 3

export interface Result {
  readonly seed: number
  readonly faults: number
  /** How often each kind of fault struck, and each shape of partition. */
  readonly kinds: Readonly<Record<string, number>>
  readonly calls: { readonly ok: number; readonly fail: number; readonly unknown: number }
  /** Changes somebody was told are done. */
  readonly acknowledged: number
  /** Whether administrators fought in the end. */
  readonly duel: boolean
  readonly convergedMs: number | undefined
  readonly compared: boolean
  readonly violations: readonly Violation[]
}

/** One seed's faults and calls on a cluster that stands, and what came of it. */
export async function runSchedule(
  cluster: ChaosCluster,
  {
    seed,
    seconds,
    abort,
    histories,
  }: { seed: number; seconds: number; abort: AbortSignal; histories?: string | undefined },
): Promise<Result> {
  const random = new Seeded(`chaos ${seed}`)
  const file = join(histories ?? cluster.root, `history-${seed}.jsonl`)
  const history = new History(file)
  const workload = new Workload({ cluster, history, random: random.fork('work'), label: String(seed) })
  const nemesis = new Nemesis({ cluster, history, random: random.fork('nemesis') })
  try {
    await workload.setUp()
    await cluster.agreement(PATIENCE_MS, abort)
    history.phase = 'storm'
    const storm = AbortSignal.any([abort, AbortSignal.timeout(seconds * 1000)])
    await Promise.all([nemesis.rage(storm), workload.work(storm)])
    abort.throwIfAborted()
    const parts = { cluster, history, workload, random: random.fork('settling') }
    const ending = await settle(parts, { duel: seed % DUEL_EVERY === 0 })
    const violations = check(history.calls, ending)
    for (const violation of violations) history.note({ violation })
    if (violations.length === 0 && histories === undefined) await rm(file)
    return resultOf(seed, nemesis, history, ending, violations)
  } finally {
    history.close()
  }
}

function resultOf(
  seed: number,
  { faults, kinds }: Nemesis,
  { calls }: History,
  { agreement, reference, adminsAfterDuel }: Ending,
  violations: readonly Violation[],
): Result {
  const count = (outcome: string) => calls.filter((call) => call.outcome === outcome).length
  return {
    seed,
    faults,
    kinds,
    calls: { ok: count('ok'), fail: count('fail'), unknown: count('unknown') },
    acknowledged: calls.filter(
      ({ op, outcome }) => outcome === 'ok' && !/^(read|list)\.|^other$/.test(op.kind),
    ).length,
    duel: adminsAfterDuel !== undefined,
    convergedMs: agreement.agreed ? agreement.milliseconds : undefined,
    compared: reference !== undefined,
    violations,
  }
}
