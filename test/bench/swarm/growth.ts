import { clients } from '../../support/clients.ts'
import { type Figure, ms, ratio } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { Fleet } from './fleet.ts'
import type { Ship } from './ship.ts'

const NODES = [2, 4, 8, 16]
const KILOBITS = 10_000
const MiB = 2 ** 20

/** How long a blob takes to all of a fleet, for fleets of any size behind equal lines: it should stay the same. */
export async function growth(scale: Scale): Promise<Figure[]> {
  if (!clients('ip', 'tc', 'nsenter')) return []
  const size = (scale.brief ? 8 : 32) * MiB
  const boundMs = (size * 8) / KILOBITS
  const fleets = scale.brief ? NODES.slice(0, -1) : NODES
  const times: number[] = []
  await inScratch(async (directory) => {
    // One fleet, of which so many pull each time: a member that does not is asked as well.
    const fleet = await Fleet.launch(directory, Array(Math.max(...fleets)).fill('here'), KILOBITS)
    try {
      await fleet.meet()
      for (const nodes of fleets) {
        const [seeder, ...leechers] = fleet.ships.slice(0, nodes) as [Ship, ...Ship[]]
        const digest = await fleet.load([seeder], size)
        const pullers = leechers.map((ship) => ({ ship }))
        times.push((await fleet.pull([seeder], pullers, digest)).elapsedMs)
        await fleet.unload(digest)
      }
    } finally {
      await fleet.stop()
    }
  })
  const least = Math.min(...times)
  return [
    {
      bench: 'growth',
      what: `fleets of ${fleets.join(', ')}, 10 Mbit/s each way, ${size / MiB} MiB (bound ${ms(boundMs)}): all done; the slowest, times the fastest`,
      ours: `${times.map(ms).join(', ')}; ${ratio(Math.max(...times), least)}`,
      stock: '',
      goal: '1.2x',
    },
  ]
}
