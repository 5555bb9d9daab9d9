import { clients } from '../../support/clients.ts'
import { type Figure, ms, ratio } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { boundMs } from './bound.ts'
import { Fleet, type Outcome } from './fleet.ts'
import { hasLibtorrent, runLibtorrent } from './libtorrent.ts'

const NODES = 8
const KILOBITS = 40_000
const BYTES_PER_SECOND = (KILOBITS * 1000) / 8
const MiB = 2 ** 20

interface Case {
  readonly what: string
  readonly seeders: number
  /** So many of the leechers come when the first ones have half of it. */
  readonly late: number
  /** Times the bytes of the others: what a fleet spends before the first byte and after the last weighs less. */
  readonly times?: number
  readonly goal: string
}

const CASES: readonly Case[] = [
  { what: '1 seeder, 7 leechers', seeders: 1, late: 0, goal: '1.15x, 1.1 copies' },
  { what: '1 seeder, 7 leechers', seeders: 1, late: 0, times: 4, goal: '1.15x, 1.1 copies' },
  { what: '2 seeders, 6 leechers', seeders: 2, late: 0, goal: '1.25x' },
  { what: '1 seeder, 5 leechers and 2 that join in the middle', seeders: 1, late: 2, goal: '1.25x' },
]

/** A fleet pulls at once, each behind 40 Mbit/s both ways; beside it plain HTTP and libtorrent on the same lines. */
export async function spread(scale: Scale): Promise<Figure[]> {
  if (!clients('ip', 'tc', 'nsenter')) return []
  const size = (scale.brief ? 16 : 64) * MiB
  const figures: Figure[] = []
  await inScratch(async (directory) => {
    const fleet = await Fleet.launch(directory, Array(NODES).fill('here'), KILOBITS)
    try {
      await fleet.meet()
      for (const one of CASES) figures.push(await measure(fleet, directory, one, size * (one.times ?? 1)))
    } finally {
      await fleet.stop()
    }
  })
  return figures
}

async function measure(fleet: Fleet, directory: string, one: Case, size: number): Promise<Figure> {
  const seeders = fleet.ships.slice(0, one.seeders)
  const leechers = fleet.ships.slice(one.seeders)
  const lines = (bytes: number) => ({
    size: bytes,
    seedersUp: one.seeders * BYTES_PER_SECOND,
    leecherUp: BYTES_PER_SECOND,
    leecherDown: BYTES_PER_SECOND,
    leechers: leechers.length,
  })
  const joinMs = (bytes: number) => (one.late > 0 ? boundMs(lines(bytes)) / 2 : 0)
  const after = (bytes: number) =>
    leechers.map((_, index) => (index >= leechers.length - one.late ? joinMs(bytes) : 0))
  const pullers = (bytes: number) =>
    leechers.map((ship, index) => ({ ship, afterMs: after(bytes)[index] ?? 0 }))
  const shown = ({ elapsedMs, sent }: Pick<Outcome, 'elapsedMs' | 'sent'>, bytes: number) => {
    const bound = joinMs(bytes) + boundMs(lines(bytes))
    return `${ratio(elapsedMs, bound)} (${ms(elapsedMs)}), ${(sent / bytes).toFixed(2)} copies`
  }

  const digest = await fleet.load(seeders, size)
  const ours = await fleet.pull(seeders, pullers(size), digest)
  await fleet.unload(digest)
  if (one.times !== undefined) return figure(one, size, shown(ours, size), 'as with fewer bytes')

  // A quarter of the bytes: it takes seven times the bound.
  const quarter = size / 4
  const plain = await fleet.load(seeders.slice(0, 1), quarter)
  const http = await fleet.download(seeders[0] as (typeof seeders)[0], pullers(quarter), plain)
  await fleet.unload(plain)
  const beside = [
    `HTTP ${ratio(http.elapsedMs, joinMs(quarter) + boundMs({ ...lines(quarter), seedersUp: BYTES_PER_SECOND }))}`,
  ]
  if (hasLibtorrent()) {
    const torrent = await runLibtorrent(directory, fleet.network.places, one.seeders, size, after(size))
    beside.unshift(`libtorrent ${shown(torrent, size)}`)
  }
  return figure(one, size, shown(ours, size), beside.join('; '))
}

function figure({ what, goal }: Case, size: number, ours: string, stock: string): Figure {
  return {
    bench: 'spread',
    what: `${what}, ${size / MiB} MiB, 40 Mbit/s each way: all done, times the bound`,
    ours,
    stock,
    goal,
  }
}
