import { setTimeout as sleep } from 'node:timers/promises'
import { clients } from '../../support/clients.ts'
import { LongLine } from '../../support/long-line.ts'
import { type Figure, ms, ratio } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { Fleet, type Outcome, together } from './fleet.ts'
import type { Ship } from './ship.ts'

const SITES = ['hub', 'hub', 'hub', 'hub', 'branch', 'branch', 'branch', 'branch'] as const
const INSIDE_KILOBITS = 500_000
/** 80 ms there and back; what waits for it is what is under way on it, as a router there would have it. */
const LINE = { bitsPerSecond: 20e6, delayMs: 40, queueBytes: 200_000 }
const MiB = 2 ** 20

/** Two sites of four; one node of the first has a blob, the other seven pull at once. */
export async function sites(scale: Scale): Promise<Figure[]> {
  if (!clients('ip', 'tc', 'nsenter', 'python3')) return []
  const size = (scale.brief ? 8 : 32) * MiB
  const boundMs = (size * 8 * 1000) / LINE.bitsPerSecond
  const figures: Figure[] = []
  await inScratch(async (directory) => {
    const fleet = await Fleet.launch(directory, SITES, INSIDE_KILOBITS)
    const away = SITES.flatMap((site, node) => (site === 'branch' ? [node] : []))
    const line = await LongLine.lay(fleet.network, away, LINE)
    const [origin, ...rest] = fleet.ships as [Ship, ...Ship[]]
    const branch = fleet.ships.filter(({ berth }) => berth.site === 'branch')
    const crossing = async (run: () => Promise<Outcome>) => {
      const before = (await line.carried()).there
      const { elapsedMs } = await run()
      const bytes = (await line.carried()).there - before
      return `${ratio(elapsedMs, boundMs)} (${ms(elapsedMs)}), ${(bytes / size).toFixed(2)} copies crossed`
    }
    const pullers = rest.map((ship) => ({ ship }))
    try {
      await fleet.meet()
      const plain = await fleet.load([origin], size)
      const http = await crossing(() => fleet.download(origin, pullers, plain))
      const digest = await fleet.load([origin], size)
      const ours = await crossing(() => fleet.pull([origin], pullers, digest))
      const other = await fleet.load([origin], size)
      const killed = await crossing(() => withoutIngress(fleet, origin, branch, other, boundMs / 2))
      const what = `4 + 4 nodes at two sites, 20 Mbit/s and 80 ms between, ${size / MiB} MiB`
      figures.push(
        {
          bench: 'sites',
          what: `${what}: all done, times the bound of the line`,
          ours,
          stock: `HTTP ${http}`,
          goal: '1.2x, 1.05 copies',
        },
        {
          bench: 'sites',
          what: 'the same, and the node that fetches over the line is killed half-way',
          ours: killed,
          stock: '',
          goal: '1.2x, 1.05 copies',
        },
      )
    } finally {
      await fleet.stop()
      await line.stop()
    }
  })
  return figures
}

/** Those of the branch pull; the one that has taken most from elsewhere dies in the middle. */
async function withoutIngress(
  fleet: Fleet,
  origin: Ship,
  branch: readonly Ship[],
  digest: string,
  afterMs: number,
): Promise<Outcome> {
  const sent = await Promise.all(branch.map((ship) => ship.usage()))
  const dying = sleep(afterMs).then(async () => {
    // It alone takes from the origin, and the others from it: it has sent most.
    const now = await Promise.all(branch.map((ship) => ship.usage()))
    const gave = now.map((usage, index) => usage.sent - (sent[index]?.sent ?? 0))
    const ingress = branch[gave.indexOf(Math.max(...gave))] as Ship
    await ingress.kill()
    return ingress
  })
  const pulls = branch.map(async (ship) => ({ ship, pulled: await ship.pull(digest).catch(() => undefined) }))
  const dead = await dying
  const ends = await Promise.all(pulls)
  fleet.lost(dead)
  return together(
    ends.flatMap(({ ship, pulled }) => {
      if (pulled) return [pulled]
      if (ship === dead) return []
      throw new Error(`${ship.berth.site}: a pull failed after the death of the one that fetched for it`)
    }),
    (await origin.usage()).sent,
  )
}
