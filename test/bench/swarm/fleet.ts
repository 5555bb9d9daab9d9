import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Network } from '../../support/network.ts'
import { type Pulled, Ship } from './ship.ts'

/** Blobs are pushed some time before they are pulled: by then their pieces are hashed. */
const REST_MS = 1500
/** Packets that wait for a line: a router's buffer, not a cellar. */
const QUEUE_KILOBITS = 2000

const WARM_UP_BYTES = 16 * 2 ** 20

/** Who pulls, and how many milliseconds after the first. */
export interface Puller {
  readonly ship: Ship
  readonly afterMs?: number
}

/** What came of many pulls at once. */
export interface Outcome {
  /** From the first question to the last byte proven and committed. */
  readonly elapsedMs: number
  readonly each: readonly Pulled[]
  /** Bytes all of the seeders have sent together. */
  readonly sent: number
}

/** Ships that all know each other, each behind a line of its own. */
export class Fleet {
  readonly network: Network
  #ships: readonly Ship[]
  #cargoes = 0

  private constructor(network: Network, ships: readonly Ship[]) {
    this.network = network
    this.#ships = ships
  }

  get ships(): readonly Ship[] {
    return this.#ships
  }

  /** @param sites where each of them stands */
  static async launch(directory: string, sites: readonly string[], kilobits: number): Promise<Fleet> {
    const network = await Network.create(sites.length)
    try {
      const ships: Ship[] = []
      for (const { index, namespace, address } of network.places) {
        const site = sites[index] as string
        const place = join(directory, `ship-${index + 1}`)
        ships.push(await Ship.launch({ directory: place, address, site, namespace }))
        await network.rate(index, kilobits, Math.ceil((1000 * QUEUE_KILOBITS) / kilobits))
      }
      return new Fleet(network, ships)
    } catch (error) {
      await network.remove()
      throw error
    }
  }

  /** They are connected, and have pulled something: the code of nodes that run for days is compiled. */
  async meet(): Promise<void> {
    const berths = this.ships.map(({ berth }) => berth)
    await Promise.all(this.ships.map((ship) => ship.meet(berths)))
    const [holder, ...others] = this.ships
    if (!holder) return
    const digest = await this.load([holder], WARM_UP_BYTES)
    await this.pull(
      [holder],
      others.map((ship) => ({ ship })),
      digest,
    )
    await this.unload(digest)
  }

  /** A fresh blob, held by these. @returns its digest */
  async load(seeders: readonly Ship[], size: number): Promise<string> {
    const seed = `cargo-${++this.#cargoes}`
    const [digest] = await Promise.all(seeders.map((ship) => ship.hold(seed, size)))
    await sleep(REST_MS)
    return digest as string
  }

  /** They pull the blob, each once. */
  pull(seeders: readonly Ship[], pullers: readonly Puller[], digest: string): Promise<Outcome> {
    return outcome(seeders, pullers, (ship) => ship.pull(digest))
  }

  /** The same by plain HTTP from the first seeder. */
  async download(seeder: Ship, pullers: readonly Puller[], digest: string): Promise<Outcome> {
    const url = await seeder.offer(digest)
    return outcome([seeder], pullers, (ship) => ship.download(url))
  }

  /** Nobody has it any more. */
  async unload(digest: string): Promise<void> {
    await Promise.all(this.ships.map((ship) => ship.drop(digest)))
  }

  /** It was killed. */
  lost(ship: Ship): void {
    this.#ships = this.#ships.filter((one) => one !== ship)
  }

  async stop(): Promise<void> {
    await Promise.all(this.ships.map((ship) => ship.stop()))
    await this.network.remove()
  }
}

async function outcome(
  seeders: readonly Ship[],
  pullers: readonly Puller[],
  pull: (ship: Ship) => Promise<Pulled>,
): Promise<Outcome> {
  const sentBy = async () => {
    const usages = await Promise.all(seeders.map((ship) => ship.usage()))
    return usages.reduce((sum, { sent }) => sum + sent, 0)
  }
  const before = await sentBy()
  const each = await Promise.all(
    pullers.map(async ({ ship, afterMs = 0 }) => {
      await sleep(afterMs)
      return pull(ship)
    }),
  )
  return together(each, (await sentBy()) - before)
}

/** From the first question of all of them to the last byte. */
export function together(each: readonly Pulled[], sent: number): Outcome {
  const startedAt = Math.min(...each.map((one) => one.startedAt))
  const endedAt = Math.max(...each.map((one) => one.endedAt))
  return { elapsedMs: endedAt - startedAt, each, sent }
}
