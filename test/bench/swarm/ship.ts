import { mkdirSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Host } from '../../../cluster/network/host.ts'
import { loadOrCreateIdentity } from '../../../cluster/network/identity.ts'
import { Keyring } from '../../../cluster/network/keyring.ts'
import { Swarm } from '../../../cluster/swarm/swarm.ts'
import { parseDigest } from '../../../src/oci/digest.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { openDisk } from '../../support/disk.ts'
import { ListRoster } from '../../support/list-roster.ts'
import { UNRESTRICTED } from '../../support/unrestricted.ts'
import { machineMs, type Part, peakRss, serveCalls, startPart, startPartIn } from '../part.ts'
import { hold } from './content.ts'

const CLUSTER = 'b'.repeat(64)
const KEY = new Uint8Array(32).fill(7)

/** Where a ship is reached. */
export interface Berth {
  readonly id: string
  readonly site: string
  readonly addresses: readonly string[]
  readonly swarm: readonly string[]
}

/** Times of one pull, in milliseconds of the machine's clock. */
export interface Pulled {
  readonly startedAt: number
  readonly firstByteAt: number
  readonly endedAt: number
}

/** What it has done since it started. */
export interface Usage {
  readonly sent: number
  readonly received: number
  /** Seconds of processor time. */
  readonly cpu: number
  readonly rss: number
  readonly peak: number
}

export interface ShipInit {
  readonly directory: string
  readonly address: string
  readonly site: string
  /** The network namespace it stands in; that of the bench where none is given. */
  readonly namespace?: string
}

/** A member of a cluster in a process of its own, as whoever started it sees it: network, blobs and swarm, no doors. */
export class Ship {
  readonly #part: Part
  readonly berth: Berth

  private constructor(part: Part, berth: Berth) {
    this.#part = part
    this.berth = berth
  }

  static async launch({ directory, address, site, namespace }: ShipInit): Promise<Ship> {
    const words = ['ship', directory, address, site] as const
    const part = await (namespace === undefined ? startPart(...words) : startPartIn(namespace, ...words))
    return new Ship(part, await part.call<Berth>('berth'))
  }

  meet(berths: readonly Berth[]): Promise<void> {
    return this.#part.call('meet', berths)
  }

  /** Holds what `content` makes. @returns its digest */
  hold(seed: string, size: number): Promise<string> {
    return this.#part.call('hold', seed, size)
  }

  drop(digest: string): Promise<void> {
    return this.#part.call('drop', digest)
  }

  /** @param glance no more than the first byte is read */
  pull(digest: string, glance = false): Promise<Pulled> {
    return this.#part.call('pull', digest, glance)
  }

  /** Serves a blob it holds by plain HTTP. @returns where */
  offer(digest: string): Promise<string> {
    return this.#part.call('offer', digest)
  }

  download(url: string, glance = false): Promise<Pulled> {
    return this.#part.call('download', url, glance)
  }

  /** Holds that many different blobs. @returns milliseconds that announcing each of them took of the event loop */
  holdMany(count: number, size: number): Promise<number[]> {
    return this.#part.call('holdMany', count, size)
  }

  usage(): Promise<Usage> {
    return this.#part.call('usage')
  }

  stop(): Promise<void> {
    return this.#part.stop()
  }

  kill(): Promise<void> {
    return this.#part.kill()
  }
}

/** The part's side. */
export async function serveShip(directory: string, address: string, site: string): Promise<void> {
  mkdirSync(directory, { recursive: true })
  const identity = await loadOrCreateIdentity(join(directory, 'identity.pem'))
  const roster = new ListRoster()
  const runtime = { clock: systemClock, random: systemRandom, timers: systemTimers }
  const host = new Host(
    { clusterId: CLUSTER, listen: [`/ip4/${address}/tcp/0`] },
    { identity, keyring: new Keyring(KEY), roster, log: silentLogger, ...runtime },
  )
  const disk = await openDisk(directory)
  const swarm = new Swarm(
    {
      blobs: disk.blobs,
      network: host,
      roster,
      residency: UNRESTRICTED,
      identity: identity.privateKey,
      logger: silentLogger,
      ...runtime,
    },
    { host: address, port: 0, directory: join(directory, 'torrents'), thread: true },
  )
  await host.start()
  await swarm.start()
  const server = createServer((request, response) => {
    void disk.blobs.open(parseDigest(request.url?.slice(1) ?? '')).then(async (blob) => {
      for await (const chunk of blob?.stream() ?? [])
        if (!response.write(Buffer.from(chunk)))
          await new Promise((resolve) => response.once('drain', resolve))
      response.end()
      await blob?.close()
    })
  })
  const berth = (): Berth => {
    const at = swarm.address()
    return {
      id: host.self,
      site,
      addresses: host.addresses(),
      swarm: at ? [`${at.host}:${at.port}`] : [],
    }
  }
  await serveCalls(
    {
      berth,
      async meet(berths: readonly Berth[]) {
        for (const { id, ...facts } of berths) roster.put(id, facts)
        while (host.connected().length < berths.length - 1) await sleep(20)
      },
      async hold(seed: string, size: number) {
        const digest = await hold(disk.blobs, seed, size)
        swarm.announce(digest, size)
        return digest
      },
      drop: async (digest: string) => void (await disk.blobs.delete(parseDigest(digest))),
      async holdMany(count: number, size: number) {
        const times: number[] = []
        for (let n = 0; n < count; n++) {
          const digest = await hold(disk.blobs, `one-${n}`, size)
          const startedAt = machineMs()
          swarm.announce(digest, size)
          await new Promise((resolve) => setImmediate(resolve))
          times.push(machineMs() - startedAt)
        }
        return times
      },
      async pull(digest: string, glance: boolean): Promise<Pulled> {
        const startedAt = machineMs()
        const blob = await swarm.fetch(parseDigest(digest))
        if (!blob) throw new Error(`nobody has ${digest}`)
        const firstByteAt = await read(blob.stream(), glance)
        if (!glance) await blob.committed
        return { startedAt, firstByteAt, endedAt: machineMs() }
      },
      async offer(digest: string) {
        if (!server.listening) await new Promise<void>((resolve) => server.listen(0, address, resolve))
        return `http://${address}:${(server.address() as AddressInfo).port}/${digest}`
      },
      async download(url: string, glance: boolean): Promise<Pulled> {
        const startedAt = machineMs()
        const response = await new Promise<IncomingMessage>((resolve, reject) => {
          get(url, { agent: false }, resolve).on('error', reject)
        })
        const firstByteAt = await read(response, glance)
        return { startedAt, firstByteAt, endedAt: machineMs() }
      },
      usage(): Usage {
        const { torrent, direct } = swarm.transfers()
        const { user, system } = process.cpuUsage()
        return {
          sent: torrent.bytesSent + direct.bytesSent,
          received: torrent.bytesReceived + direct.bytesReceived,
          cpu: (user + system) / 1e6,
          rss: process.memoryUsage.rss(),
          peak: peakRss(),
        }
      },
    },
    async () => {
      server.close()
      server.closeAllConnections()
      await swarm.stop()
      await host.stop()
      await disk.close()
    },
  )
}

/** @returns when the first byte came */
async function read(stream: AsyncIterable<Uint8Array>, glance: boolean): Promise<number> {
  let firstByteAt: number | undefined
  for await (const _ of stream) {
    firstByteAt ??= machineMs()
    if (glance) break
  }
  return firstByteAt ?? machineMs()
}
