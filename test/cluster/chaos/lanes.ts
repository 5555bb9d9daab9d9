import { cp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChaosCluster, SMALL } from './cluster.ts'
import { type Result, runSchedule } from './schedule.ts'

/** After so many schedules a cluster has grown old enough to hide what a young one shows. */
const SCHEDULES_PER_CLUSTER = 10

export interface LanesParts {
  readonly program?: string | undefined
  readonly faketime: string
  readonly seeds: readonly number[]
  readonly seconds: number
  /** Where the histories of all schedules are kept; else only those that show a violation are. */
  readonly histories?: string | undefined
  /** Clusters at once. */
  readonly lanes: number
  readonly abort: AbortSignal
  /** @param kept where everything lies that belongs to a violation */
  onResult(result: Result, kept: string | undefined): void
}

/** Runs all seeds, each lane on clusters of its own. */
export async function runLanes(parts: LanesParts): Promise<void> {
  const seeds = [...parts.seeds]
  // One lane that fails does not end the others: each has a cluster to put away.
  const lanes = await Promise.allSettled(Array.from({ length: parts.lanes }, () => runLane(parts, seeds)))
  const failed = lanes.find((lane) => lane.status === 'rejected')
  if (failed) throw failed.reason
}

async function runLane(parts: LanesParts, seeds: number[]): Promise<void> {
  const { program, faketime, seconds, abort, histories } = parts
  while (seeds.length > 0 && !abort.aborted) {
    const cluster = await ChaosCluster.start({ program, faketime, seed: String(seeds[0]) })
    let failed: Result | undefined
    try {
      for (let done = 0; done < SCHEDULES_PER_CLUSTER && !failed && !abort.aborted; done++) {
        const seed = seeds.shift()
        if (seed === undefined) break
        const result = await runSchedule(cluster, { seed, seconds, abort, histories })
        if (result.violations.length > 0) failed = result
        else parts.onResult(result, undefined)
      }
    } finally {
      const kept = failed && (await keep(cluster, failed.seed))
      await cluster.stop()
      if (failed) parts.onResult(failed, kept)
    }
  }
}

/** Everything the nodes left, under a name no clean-up touches; the small disk's content without the disk. */
async function keep(cluster: ChaosCluster, seed: number): Promise<string> {
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  const place = join(tmpdir(), `flotilla-violation-${seed}-${process.pid}`)
  const small = cluster.nodes[SMALL]?.name ?? ''
  await cp(cluster.root, place, {
    recursive: true,
    filter: (from) => !/\.(img|clock)$|\/ballast$|\.sock$|\/s$/.test(from),
  })
  await rm(join(place, small, 'lost+found'), { recursive: true, force: true })
  return place
}
