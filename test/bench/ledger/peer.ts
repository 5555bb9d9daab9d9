import { join } from 'node:path'
import { atRate, callers } from '../load.ts'
import { machineMs, type Part, peakRss, serveCalls, startPart } from '../part.ts'
import { startOurPeer } from './our-peer.ts'
import { startStockPeer } from './stock-peer.ts'

type Later<T> = T | Promise<T>

/** What a bench asks of a peer, ours or stock. */
export interface BenchPeer {
  id(): string
  /** What a newcomer needs to know: the cluster's id, or the database's address. */
  cluster(): Later<string>
  addresses(): string[]
  /** Where its swarm listens, for those that have one. */
  swarm?(): string[]
  /** Writes the catalog down for newcomers, where it can. */
  snapshot?(): Promise<void>
  admit(node: string): Promise<void>
  /** Lets that peer in and dials it; `part` cuts the link. */
  meet(id: string, addresses: readonly string[], swarm?: readonly string[]): Promise<void>
  part(id: string): Promise<void>
  connected(): string[]
  /** Resolves when acknowledged. */
  put(name: string): Promise<void>
  catchUp(id: string): Promise<void>
  /** Names that became effective since last asked, with the machine's time. */
  arrivals(): [string, number][]
  /** Equal where two peers hold the same; empty where nothing is held. */
  standing(): Later<string>
  close(): Promise<void>
}

export type Kind = 'ours' | 'stock'

/** A peer in a process of its own, as whoever started it sees it. */
export class RemotePeer {
  readonly #part: Part
  readonly id: string
  readonly addresses: readonly string[]

  private constructor(part: Part, id: string, addresses: readonly string[]) {
    this.#part = part
    this.id = id
    this.addresses = addresses
  }

  static async start(kind: Kind, directory: string, cluster = ''): Promise<RemotePeer> {
    const part = await startPart('peer', kind, directory, cluster)
    return new RemotePeer(part, await part.call('id'), await part.call('addresses'))
  }

  call<T>(name: keyof BenchPeer | 'burst' | 'steady' | 'memory', ...args: unknown[]): Promise<T> {
    return this.#part.call(name, ...args)
  }

  stop(): Promise<void> {
    return this.#part.stop()
  }
}

/** The part's side. */
export async function servePeer(kind: Kind, directory: string, cluster: string): Promise<void> {
  const peer = await (kind === 'ours' ? startOurPeer : startStockPeer)(directory, cluster)
  await serveCalls(
    {
      ...peer,
      /** @returns milliseconds */
      burst: (total: number, many: number, prefix: string) =>
        callers(many, total, (n) => peer.put(`${prefix}-${n}`)),
      /** @returns when each was asked for */
      async steady(perSecond: number, total: number, prefix: string) {
        const asked: [string, number][] = []
        await atRate(perSecond, total, (n) => {
          asked.push([`${prefix}-${n}`, machineMs()])
          return peer.put(`${prefix}-${n}`)
        })
        return asked
      },
      memory: () => ({ rss: process.memoryUsage.rss(), peak: peakRss() }),
    },
    () => peer.close(),
  )
}

/** That many peers, all members, the first of them the founder; none connected. */
export async function startFleet(kind: Kind, directory: string, size: number): Promise<RemotePeer[]> {
  const founder = await RemotePeer.start(kind, join(directory, `${kind}-0`))
  const cluster = await founder.call<string>('cluster')
  const peers = [founder]
  for (let n = 1; n < size; n++) {
    const peer = await RemotePeer.start(kind, join(directory, `${kind}-${n}`), cluster)
    await founder.call('admit', peer.id)
    peers.push(peer)
  }
  return peers
}

export async function connect(peers: readonly RemotePeer[]): Promise<void> {
  for (const [n, peer] of peers.entries())
    for (const other of peers.slice(0, n)) {
      await other.call('meet', peer.id, [])
      await peer.call('meet', other.id, other.addresses)
    }
}

/** Milliseconds until all stand the same; undefined where they never do. */
export async function untilEqual(
  peers: readonly RemotePeer[],
  patienceMs: number,
): Promise<number | undefined> {
  const startedAt = performance.now()
  while (performance.now() - startedAt < patienceMs) {
    const states = new Set(await Promise.all(peers.map((peer) => peer.call<string>('standing'))))
    if (states.size === 1 && !states.has('')) return performance.now() - startedAt
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return undefined
}
