import { count, type Figure, ms, perSecond, ratio, spread as spreadOf } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { connect, type Kind, type RemotePeer, startFleet, untilEqual } from './peer.ts'

const NODES = 5
const RATE_PER_SECOND = 100
const PATIENCE_MS = 15 * 60_000

interface Spread {
  readonly delays: number[]
  readonly lost: number
  readonly burst: number
  readonly writtenMs: number
  /** Undefined where it never was. */
  readonly completeMs: number | undefined
}

/** From asking for a write to its effect at each other node, at a steady rate; then a burst. Five processes. */
async function measure(kind: Kind, directory: string, steady: number, burst: number): Promise<Spread> {
  const peers = await startFleet(kind, directory, NODES)
  const [writer, ...others] = peers as [RemotePeer, ...RemotePeer[]]
  try {
    await connect(peers)
    await untilEqual(peers, 30_000)
    // The gossip mesh takes some heartbeats to stand; until then entries travel by catching up.
    await writer.call('steady', 20, 100, 'warm')
    await untilEqual(peers, 60_000)
    for (const peer of peers) await peer.call('arrivals')

    const asked = new Map(await writer.call<[string, number][]>('steady', RATE_PER_SECOND, steady, 'steady'))
    await untilEqual(peers, 60_000)
    const delays: number[] = []
    for (const peer of others)
      for (const [name, at] of await peer.call<[string, number][]>('arrivals')) {
        const from = asked.get(name)
        if (from !== undefined) delays.push(at - from)
      }

    const startedAt = performance.now()
    const writtenMs = await writer.call<number>('burst', burst, 64, 'burst')
    const rest = await untilEqual(peers, PATIENCE_MS)
    const completeMs = rest === undefined ? undefined : performance.now() - startedAt
    return { delays, lost: steady * others.length - delays.length, burst, writtenMs, completeMs }
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
  }
}

/** Append here -> effective at 4 other nodes. */
export async function spread(scale: Scale): Promise<Figure[]> {
  return inScratch(async (directory) => {
    const ours = await measure('ours', directory, scale.brief ? 300 : 3_000, scale.brief ? 5_000 : 20_000)
    const stock = await measure('stock', directory, scale.brief ? 200 : 1_000, scale.brief ? 300 : 2_000)
    const sizes = `ours ${count(ours.burst)}, stock ${count(stock.burst)} ops`
    const complete = ({ completeMs, burst, writtenMs }: Spread) =>
      completeMs === undefined
        ? `not in ${ms(PATIENCE_MS)}`
        : `${ms(completeMs)} (${perSecond(burst, completeMs)}, ${ratio(completeMs, writtenMs)} of writing)`
    const rows: [string, string, string, string][] = [
      [
        `append -> effective at 4 others, ${RATE_PER_SECOND}/s, 5 processes, p50 / p99`,
        spreadOf(ours.delays),
        spreadOf(stock.delays),
        '15 ms / 60 ms',
      ],
      ['of these never seen arriving', count(ours.lost), count(stock.lost), '0'],
      [
        `burst, 64 callers (${sizes}): written`,
        `${ms(ours.writtenMs)} (${perSecond(ours.burst, ours.writtenMs)})`,
        `${ms(stock.writtenMs)} (${perSecond(stock.burst, stock.writtenMs)})`,
        '',
      ],
      ['the burst complete at all five', complete(ours), complete(stock), '1.50x'],
    ]
    return rows.map(([what, ours, stock, goal]) => ({ bench: 'spread', what, ours, stock, goal }))
  })
}
