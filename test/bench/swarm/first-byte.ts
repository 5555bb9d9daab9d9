import { clients } from '../../support/clients.ts'
import { LongLine } from '../../support/long-line.ts'
import { type Figure, ms, percentile } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { Fleet } from './fleet.ts'
import type { Pulled, Ship } from './ship.ts'

const LINE = { bitsPerSecond: 100e6, delayMs: 40, queueBytes: 1_000_000 }
const INSIDE_KILOBITS = 500_000
const TIMES = 3
const GiB = 2 ** 30

/** From asking for a large blob at another site to its first byte; plain HTTP on a fresh connection beside it. */
export async function firstByte(scale: Scale): Promise<Figure[]> {
  if (!clients('ip', 'tc', 'nsenter', 'python3')) return []
  const size = scale.brief ? GiB / 8 : GiB
  const roundTripMs = 2 * LINE.delayMs
  const ours: number[] = []
  const http: number[] = []
  await inScratch(async (directory) => {
    const times = scale.brief ? 1 : TIMES
    const sites = ['hub', ...Array<string>(times).fill('branch')]
    const fleet = await Fleet.launch(directory, sites, INSIDE_KILOBITS)
    const line = await LongLine.lay(fleet.network, [...sites.keys()].slice(1), LINE)
    const [origin, ...far] = fleet.ships as [Ship, ...Ship[]]
    try {
      await fleet.meet()
      const digest = await fleet.load([origin], size)
      const url = await origin.offer(digest)
      const since = ({ startedAt, firstByteAt }: Pulled) => firstByteAt - startedAt
      for (const ship of far) {
        http.push(since(await ship.download(url, true)))
        ours.push(since(await ship.pull(digest, true)))
        // The fetch goes on when its reader leaves, and the next one would take from it.
        await ship.kill()
        fleet.lost(ship)
      }
    } finally {
      await fleet.stop()
      await line.stop()
    }
  })
  const median = (samples: readonly number[]) => ms(percentile(samples, 0.5))
  return [
    {
      bench: 'first-byte',
      what: `first byte of a blob of ${size / 2 ** 20} MiB at another site, ${roundTripMs} ms round trip, median of ${ours.length}`,
      ours: median(ours),
      stock: `HTTP ${median(http)}`,
      goal: `under ${ms(2 * roundTripMs + 150)}`,
    },
  ]
}
