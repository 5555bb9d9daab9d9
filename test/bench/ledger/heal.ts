import { count, type Figure, ms } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { connect, type Kind, type RemotePeer, startFleet, untilEqual } from './peer.ts'

const HALVES = [2, 2] as const
const PATIENCE_MS = 5 * 60_000

async function measure(kind: Kind, directory: string, each: number): Promise<number | undefined> {
  const peers = await startFleet(kind, directory, HALVES[0] + HALVES[1])
  const [left, right] = [peers.slice(0, HALVES[0]), peers.slice(HALVES[0])]
  try {
    await connect(peers)
    await (left[0] as RemotePeer).call('put', 'first')
    if ((await untilEqual(peers, 60_000)) === undefined) throw new Error(`${kind}: not equal at the start`)
    await link(left, right, 'part')
    const parted = async () => {
      for (const [n, peer] of peers.entries()) {
        const half = n < left.length ? left.length : right.length
        if ((await peer.call<string[]>('connected')).length >= half) return false
      }
      return true
    }
    while (!(await parted())) await new Promise((resolve) => setTimeout(resolve, 50))
    await Promise.all(
      [left, right].map(([first], n) => (first as RemotePeer).call('burst', each, 64, `half-${n}`)),
    )
    for (const half of [left, right]) await untilEqual(half, PATIENCE_MS)
    const startedAt = performance.now()
    await link(left, right, 'meet')
    const rest = await untilEqual(peers, PATIENCE_MS)
    return rest === undefined ? undefined : performance.now() - startedAt
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
  }
}

async function link(
  left: readonly RemotePeer[],
  right: readonly RemotePeer[],
  how: 'meet' | 'part',
): Promise<void> {
  const pairs = left.flatMap((a) => right.map((b) => [a, b] as const))
  await Promise.all(
    pairs.map(async ([a, b]) => {
      await b.call(how, a.id, how === 'meet' ? [] : undefined)
      await a.call(how, b.id, how === 'meet' ? b.addresses : undefined)
    }),
  )
}

/** Two halves of two nodes each write apart; from the link's return to equal states, with no write. */
export async function heal(scale: Scale): Promise<Figure[]> {
  return inScratch(async (directory) => {
    const each = { ours: scale.brief ? 2_000 : 10_000, stock: scale.brief ? 100 : 1_000 }
    const ours = await measure('ours', directory, each.ours)
    const stock = await measure('stock', directory, each.stock)
    const shown = (value: number | undefined) =>
      value === undefined ? `not in ${ms(PATIENCE_MS)}` : ms(value)
    const what = `link back -> equal states, ops a half: ours ${count(each.ours)}, stock ${count(each.stock)}`
    return [{ bench: 'heal', what, ours: shown(ours), stock: shown(stock), goal: '5 s' }]
  })
}
