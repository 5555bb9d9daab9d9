import { join } from 'node:path'
import { count, type Figure, mebibytes, percentile, spread } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { Ship } from './ship.ts'

const BLOBS = 10_000
/** The smallest that travel as torrents. */
const BLOB_BYTES = 256 * 1024
const ANNOUNCED = 200

/** What holding many blobs costs a node that nobody asks for them. */
export async function held(scale: Scale): Promise<Figure[]> {
  const blobs = scale.brief ? BLOBS / 10 : BLOBS
  return inScratch(async (directory) => {
    const launch = (name: string) =>
      Ship.launch({ directory: join(directory, name), address: '127.0.0.1', site: 'here' })
    const empty = await launch('empty')
    const base = await settled(empty)
    await empty.stop()
    const before = await launch('full')
    const times = await before.holdMany(blobs, BLOB_BYTES)
    await before.stop()
    // Started anew: what writing them took is not what holding them takes.
    const after = await launch('full')
    const rss = await settled(after)
    await after.stop()
    const what = `${count(blobs)} blobs held`
    return [
      {
        bench: 'held',
        what: `${what}: memory over an empty node (${mebibytes(base)})`,
        ours: mebibytes(rss - base),
        stock: '',
        goal: '60 MiB',
      },
      {
        bench: 'held',
        what: `${what}: announcing a new one, p50 / p99`,
        ours: spread(times.slice(-ANNOUNCED)),
        stock: '',
        goal: '10 ms',
      },
    ]
  })
}

/** Resident bytes, the middle of some samples: a collection may be due at any moment. */
async function settled(ship: Ship): Promise<number> {
  const samples: number[] = []
  for (let time = 0; time < 5; time++) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    samples.push((await ship.usage()).rss)
  }
  return percentile(samples, 0.5)
}
