import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Member, Roster } from '../../../cluster/membership/roster.ts'
import { Host } from '../../../cluster/network/host.ts'
import { createIdentity } from '../../../cluster/network/identity.ts'
import { Keyring } from '../../../cluster/network/keyring.ts'
import { certificateOf } from '../../../cluster/swarm/certificate.ts'
import { Swarm } from '../../../cluster/swarm/swarm.ts'
import { type Digest, parseDigest } from '../../../src/oci/digest.ts'
import type { BlobStore, StagedBlob } from '../../../src/registry/blob-store.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { openDisk } from '../../support/disk.ts'
import { UNRESTRICTED } from '../../support/unrestricted.ts'
import { type Figure, mebibytes, ms, ratio } from '../figures.ts'
import { type Part, serveCalls, startPart } from '../part.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { libtorrent } from './libtorrent-pair.ts'
import { type Cost, Meter } from './meter.ts'

const MiB = 2 ** 20
const GiB = 2 ** 30
const CLUSTER = 'c'.repeat(64)
const NETWORK_KEY = new Uint8Array(32).fill(7)

interface Arrival extends Cost {
  readonly size: number
  /** The same up to the last piece, before the digest of the whole is proven. */
  readonly pieces: { readonly ms: number; readonly cpuMs: number }
  readonly firstByteMs: number
}

/** Everybody it is told of is a member. */
class Acquaintances implements Roster {
  readonly #members = new Map<string, Member>()
  readonly #listeners = new Set<() => void>()

  put(id: string, addresses: readonly string[], swarm: readonly string[]): void {
    this.#members.set(id, {
      id,
      name: id,
      site: 'here',
      state: 'member',
      role: 'anchor',
      notAfter: null,
      sealKey: null,
      admittedBy: null,
      addresses,
      swarm,
      url: null,
    })
    for (const listener of this.#listeners) listener()
  }

  get(id: string): Member | undefined {
    return this.#members.get(id)
  }

  isMember(id: string): boolean {
    return this.#members.has(id)
  }

  members(): Member[] {
    return [...this.#members.values()]
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

interface Card {
  readonly id: string
  readonly addresses: readonly string[]
  readonly swarm: readonly string[]
}

/** A member as the product puts it together, without a journal: libp2p host, blobs on disk, swarm. */
async function launch(directory: string, thread: boolean) {
  await mkdir(directory, { recursive: true })
  const identity = await createIdentity(join(directory, 'identity.pem'))
  const roster = new Acquaintances()
  const runtime = { clock: systemClock, random: systemRandom, timers: systemTimers }
  const host = new Host(
    { clusterId: CLUSTER, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { identity, keyring: new Keyring(NETWORK_KEY), roster, log: silentLogger, ...runtime },
  )
  const disk = await openDisk(directory)
  let allHere = () => {}
  const swarm = new Swarm(
    {
      blobs: noting(disk.blobs, () => allHere()),
      network: host,
      roster,
      residency: UNRESTRICTED,
      identity: identity.privateKey,
      logger: silentLogger,
      ...runtime,
    },
    {
      host: '127.0.0.1',
      port: 0,
      directory: join(directory, 'torrents'),
      thread,
    },
  )
  await host.start()
  await swarm.start()
  const { host: address, port } = swarm.address() as { host: string; port: number }
  const card: Card = { id: identity.id, addresses: host.addresses(), swarm: [`${address}:${port}`] }
  return {
    card,
    host,
    pathOf: (digest: Digest) => disk.layout.blob(digest),
    meet(others: readonly Card[]) {
      for (const { id, addresses, swarm } of [card, ...others]) roster.put(id, addresses, swarm)
    },
    async load(megabytes: number): Promise<Digest> {
      const staged = await disk.blobs.stage()
      const hash = createHash('sha256')
      const bytes = Buffer.alloc(MiB)
      for (let n = 0; n < megabytes; n++) {
        randomFillSync(bytes)
        hash.update(bytes)
        await staged.write(bytes, n * MiB)
      }
      const digest = parseDigest(`sha256:${hash.digest('hex')}`)
      await staged.commit(digest)
      swarm.announce(digest, megabytes * MiB)
      return digest
    },
    /** Takes it all, keeps none of it in memory. */
    async fetch(digest: Digest, meter: Meter): Promise<Omit<Arrival, keyof Cost>> {
      let pieces = { ms: 0, cpuMs: 0 }
      allHere = () => {
        pieces = meter.soFar
      }
      const blob = await swarm.fetch(digest)
      if (!blob) throw new Error('no holder was found')
      let firstByteMs = 0
      for await (const _ of blob.stream()) {
        firstByteMs = meter.soFar.ms
        break
      }
      await blob.committed
      return { size: blob.size, pieces, firstByteMs }
    },
    forget: (digest: Digest) => disk.blobs.delete(digest),
    async close() {
      await swarm.stop()
      await host.stop()
      await disk.close()
    },
  }
}

/** The moment the digest is about to be proven is the moment all pieces are here. */
function noting(blobs: BlobStore, onCommit: () => void): BlobStore {
  const noted = (staged: StagedBlob): StagedBlob => ({
    write: (bytes, position) => staged.write(bytes, position),
    read: (into, position) => staged.read(into, position),
    settle: (length, digest) => staged.settle(length, digest),
    commit: (digest, signal) => {
      onCommit()
      return staged.commit(digest, signal)
    },
    discard: () => staged.discard(),
  })
  return {
    stat: (digest) => blobs.stat(digest),
    open: (digest) => blobs.open(digest),
    stage: async () => noted(await blobs.stage()),
    delete: (digest) => blobs.delete(digest),
    list: () => blobs.list(),
  }
}

/** The part's side: as many members as it is told, in one process. */
export async function serveMembers(directory: string, many: string, thread: string): Promise<void> {
  const members = await Promise.all(
    Array.from({ length: Number(many) }, (_, n) => launch(join(directory, `${n}`), thread === 'thread')),
  )
  const one = (n: number) => members[n] as (typeof members)[number]
  const meter = new Meter()
  await mkdir(directory, { recursive: true })
  const identity = await createIdentity(join(directory, 'https.pem'))
  const https = createServer(certificateOf(identity.privateKey), (request, response) => {
    void pipeline(createReadStream(request.url as string, { highWaterMark: MiB }), response).catch(() => {})
  })
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve))
  await serveCalls(
    {
      cards: () => members.map(({ card }) => card),
      meet(others: Card[]) {
        for (const member of members) member.meet([...members.map(({ card }) => card), ...others])
      },
      connected: () => Math.min(...members.map(({ host }) => host.connected().length)),
      load: (n: number, megabytes: number) => one(n).load(megabytes),
      forget: (n: number, digest: Digest) => one(n).forget(digest),
      path: (n: number, digest: Digest) => one(n).pathOf(digest),
      start: () => meter.start(),
      stop: () => meter.stop(),
      rss: () => process.memoryUsage.rss(),
      async fetch(n: number, digest: Digest): Promise<Arrival> {
        meter.start()
        const arrival = await one(n).fetch(digest, meter)
        return { ...arrival, ...meter.stop() }
      },
      /** Each of these members its blob, all at once. */
      fetchAll: (pairs: [number, Digest][]) =>
        Promise.all(pairs.map(([n, digest]) => one(n).fetch(digest, meter))),
      httpsPort: () => (https.address() as AddressInfo).port,
      async download(port: number, path: string): Promise<Cost> {
        const target = join(directory, 'download')
        meter.start()
        await new Promise<void>((resolve, reject) => {
          get({ host: '127.0.0.1', port, path, rejectUnauthorized: false }, (response) => {
            pipeline(response, createWriteStream(target)).then(resolve, reject)
          }).on('error', reject)
        })
        const cost = meter.stop()
        await rm(target)
        return cost
      },
    },
    async () => {
      https.closeAllConnections()
      https.close()
      await Promise.all(members.map((member) => member.close()))
    },
  )
}

async function acquaint(...parts: Part[]): Promise<void> {
  const cards = (await Promise.all(parts.map((part) => part.call<Card[]>('cards')))).flat()
  for (const part of parts) await part.call('meet', cards)
  for (const part of parts)
    while ((await part.call<number>('connected')) < cards.length - 1)
      await new Promise((resolve) => setTimeout(resolve, 50))
}

const delayOf = ({ delay }: Cost) => `${ms(delay.p50)} / ${ms(delay.p99)} / ${ms(delay.max)}`
const rate = (size: number, elapsedMs: number) => `${Math.round(size / MiB / (elapsedMs / 1000))} MiB/s`
const cpuPerGiB = (cpuMs: number, size: number) => `${(((cpuMs / 1000) * GiB) / size).toFixed(2)} s`

/** Two members, one blob; beside it HTTPS between the same two processes, and libtorrent where it is installed. */
export async function pair(scale: Scale): Promise<Figure[]> {
  return inScratch(async (directory) => {
    const megabytes = scale.brief ? 128 : 1024
    const size = megabytes * MiB
    const seeder = await startPart('members', join(directory, 'seeder'), '1', 'thread')
    const leecher = await startPart('members', join(directory, 'leecher'), '1', 'thread')
    await acquaint(seeder, leecher)
    const idle = await seeder.call<number>('rss')
    // The first run finds code that was not compiled yet.
    const warm = await seeder.call<Digest>('load', 0, 64)
    await leecher.call('fetch', 0, warm)
    const digest = await seeder.call<Digest>('load', 0, megabytes)
    // Hashed ahead, as a blob is that was pushed a while ago.
    await new Promise((resolve) => setTimeout(resolve, 1_000 + megabytes))
    await seeder.call('start')
    const came = await leecher.call<Arrival>('fetch', 0, digest)
    const gave = await seeder.call<Cost>('stop')
    const path = await seeder.call<string>('path', 0, digest)
    const port = await seeder.call<number>('httpsPort')
    await seeder.call('start')
    const got = await leecher.call<Cost>('download', port, path)
    const served = await seeder.call<Cost>('stop')
    const plain = scale.brief ? undefined : await libtorrent(path, directory)
    await Promise.all([seeder.stop(), leecher.stop()])
    const figure = (what: string, ours: string, stock = '', goal = ''): Figure => ({
      bench: 'pair',
      what,
      ours,
      stock,
      goal,
    })
    const toHttps = got.ms / came.pieces.ms
    return [
      figure(
        `${megabytes} MiB, all pieces here; beside it HTTPS`,
        `${rate(size, came.pieces.ms)}, ${ratio(toHttps, 1)} of it`,
        rate(size, got.ms),
        '0.55x of HTTPS',
      ),
      ...(plain === undefined
        ? []
        : [
            figure(
              'libtorrent, plain, beside it',
              ratio(plain / came.pieces.ms, 1),
              rate(size, plain),
              '0.8x',
            ),
          ]),
      figure('until committed: SHA-256, fsync', rate(size, came.ms)),
      figure(
        'CPU per GiB, leecher, all pieces here',
        cpuPerGiB(came.pieces.cpuMs, size),
        cpuPerGiB(got.cpuMs, size),
        '< 3.5 s',
      ),
      figure('CPU per GiB, leecher, until committed', cpuPerGiB(came.cpuMs, size)),
      figure('CPU per GiB, seeder', cpuPerGiB(gave.cpuMs, size), cpuPerGiB(served.cpuMs, size)),
      figure(
        'of it by the thread that serves HTTP, leecher / seeder',
        `${cpuPerGiB(came.mainCpuMs, size)} / ${cpuPerGiB(gave.mainCpuMs, size)}`,
        `${cpuPerGiB(got.mainCpuMs, size)} / ${cpuPerGiB(served.mainCpuMs, size)}`,
      ),
      figure(
        'seeder, resident above an idle node',
        mebibytes(gave.rss - idle),
        mebibytes(served.rss - idle),
        '< 200 MiB',
      ),
      figure('leecher, resident at most', mebibytes(came.rss), mebibytes(got.rss)),
      figure('event loop delay p50 / p99 / max, leecher', delayOf(came), delayOf(got), 'p99 < 50 ms'),
      figure('event loop delay p50 / p99 / max, seeder', delayOf(gave), delayOf(served), 'p99 < 50 ms'),
      figure('first byte of the blob', ms(came.firstByteMs), '', '< 150 ms'),
    ]
  })
}

/**
 * One member gives to eight and takes four blobs at once: what that does to the loop that serves HTTP, with the
 * engine in a thread and in the same one, and beside it the loop of a process that does nothing meanwhile.
 */
export async function crowd(scale: Scale): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const thread of ['thread', 'no thread']) {
    const { node, idle, size } = await crowded(scale, thread)
    const figure = (what: string, ours: string, stock = '', goal = '') => {
      figures.push({
        bench: `crowd, ${thread}`,
        what: `gives to 8 and takes 4 of ${size}: ${what}`,
        ours,
        stock,
        goal,
      })
    }
    figure(
      'took, CPU, of it by the main thread, resident',
      `${ms(node.ms)}, ${ms(node.cpuMs)}, ${ms(node.mainCpuMs)}, ${mebibytes(node.rss)}`,
    )
    figure(
      'event loop delay p50 / p99 / max',
      delayOf(node),
      `${delayOf(idle)} of an idle process`,
      'p99 < 50 ms',
    )
  }
  return figures
}

async function crowded(scale: Scale, thread: string) {
  return inScratch(async (directory) => {
    const megabytes = scale.brief ? 32 : 256
    const node = await startPart('members', join(directory, 'node'), '1', thread)
    const others = await startPart('members', join(directory, 'others'), '8', 'no thread')
    const bystander = await startPart('members', join(directory, 'bystander'), '0', 'no thread')
    await acquaint(node, others)
    const own = await node.call<Digest>('load', 0, megabytes)
    const theirs = await Promise.all([0, 1, 2, 3].map((n) => others.call<Digest>('load', n, megabytes)))
    await new Promise((resolve) => setTimeout(resolve, 2_000 + 4 * megabytes))
    await Promise.all([node.call('start'), bystander.call('start')])
    const takers = Array.from({ length: 8 }, (_, n) => [n, own])
    const taken = theirs.map((digest) => [0, digest])
    await Promise.all([others.call('fetchAll', takers), node.call('fetchAll', taken)])
    const [cost, idle] = await Promise.all([node.call<Cost>('stop'), bystander.call<Cost>('stop')])
    await Promise.all([node.stop(), others.stop(), bystander.stop()])
    return { node: cost, idle, size: `${megabytes} MiB` }
  })
}
