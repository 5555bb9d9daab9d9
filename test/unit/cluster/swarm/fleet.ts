import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { LinkUse } from '../../../../cluster/links/link-meter.ts'
import { type LinkPolicies, Links } from '../../../../cluster/links/links.ts'
import { SiteSenders } from '../../../../cluster/links/senders.ts'
import type { Host } from '../../../../cluster/network/host.ts'
import { type Residency, Swarm, type SwarmInit } from '../../../../cluster/swarm/swarm.ts'
import { type LinkPolicy, NO_POLICY } from '../../../../src/journal/link-policy.ts'
import { type Digest, parseDigest } from '../../../../src/oci/digest.ts'
import type { IncomingBlob } from '../../../../src/registry/blob-source.ts'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../../../src/runtime/logger.ts'
import type { Timers } from '../../../../src/runtime/timers.ts'
import { openDisk } from '../../../support/disk.ts'
import { UNRESTRICTED } from '../../../support/unrestricted.ts'
import { type Cast, cluster, type ListRoster, runtime, temporary } from '../network/cast.ts'

export const KiB = 1024
export const MiB = 1024 * KiB

/** A member as the composition root makes it: libp2p host, blobs on disk, swarm. */
export interface Ship {
  readonly name: string
  readonly swarm: Swarm
  readonly blobs: BlobStore
  readonly root: string
  readonly host: Host
  readonly roster: ListRoster
  readonly cast: Cast
  readonly log: Record<string, unknown>[]
  /** Bytes it gave and got over each link; none where it has no policies. */
  readonly crossed: Crossed
  /** Leaves without a word: everything it has open breaks. */
  sink(): Promise<void>
}

export interface ShipInit extends Partial<SwarmInit> {
  /** What the swarm sees instead of the disk store. */
  readonly blobs?: (blobs: BlobStore) => BlobStore
  /** Where its blobs and hashes are; a directory of its own where it is not said. */
  readonly root?: string
  /** How many times faster than real time its waits go by. */
  readonly haste?: number
  /** Where it stands; all at one site where it is not said. */
  readonly site?: string
  /** What may go over the links between sites. */
  readonly policies?: LinkPolicies
  /** What its records are made from. */
  readonly isOfRecords?: (digest: Digest) => Promise<boolean>
  /** What its calendar shows, milliseconds since 1970. */
  readonly now?: () => number
  /** Which blobs may be where; all everywhere where it is not said. */
  readonly residency?: Residency
}

/** Members that all know each other, connected, each with its own directory and ports of 127.0.0.1. */
export async function fleet(...inits: readonly ShipInit[]): Promise<Ship[]> {
  const casts = await cluster(inits.length)
  const ships: Ship[] = []
  for (const [index, cast] of casts.entries()) {
    const { site } = inits[index] ?? {}
    if (site !== undefined) for (const { roster } of casts) roster.put(cast.host.self, { site })
    ships.push(await launch(cast, `ship-${index + 1}`, inits[index] ?? {}))
  }
  acquaint(ships)
  return ships
}

/** Tells every one of them where the others' swarms listen. */
export function acquaint(ships: readonly Ship[]): void {
  for (const { roster } of ships) {
    for (const { host, swarm, name } of ships) {
      const address = swarm.address()
      roster.put(host.self, { name, swarm: address ? [`${address.host}:${address.port}`] : [] })
    }
  }
}

export async function launch(cast: Cast, name: string, init: ShipInit): Promise<Ship> {
  const root = init.root ?? (await temporary())
  const disk = await openDisk(root)
  onTestFinished(() => disk.close())
  const blobs = init.blobs ? init.blobs(disk.blobs) : disk.blobs
  const { host, roster, identity } = cast
  const log: Record<string, unknown>[] = []
  const { clock: hasty, timers } = hastened(init.haste ?? 1)
  const clock = { ...hasty, ...(init.now && { now: init.now }) }
  const logger = noting(log)
  const crossed = new Crossed()
  let links: Links | undefined
  if (init.policies) {
    const senders = new SiteSenders({ network: host, roster, clock, timers, logger })
    links = new Links({
      self: host.self,
      roster,
      policies: init.policies,
      use: crossed,
      senders,
      clock,
      timers,
    })
    await senders.start()
    await links.start()
    onTestFinished(() => links?.stop())
  }
  const swarm = new Swarm(
    {
      blobs,
      network: host,
      roster,
      residency: init.residency ?? UNRESTRICTED,
      identity: identity.privateKey,
      ...(links && { links }),
      ...(init.isOfRecords && { isOfRecords: init.isOfRecords }),
      logger,
      clock,
      timers,
      random: runtime.random,
    },
    { host: '127.0.0.1', port: 0, directory: join(root, 'torrents'), ...init },
  )
  await swarm.start()
  onTestFinished(() => swarm.stop())
  const sink = async () => {
    await Promise.all([swarm.stop(), host.stop()])
  }
  return { name, swarm, blobs: disk.blobs, root, host, roster, cast, log, crossed, sink }
}

/** What went over each link at one node, as the product's meter counts it. */
export class Crossed implements LinkUse {
  readonly #bytes = new Map<string, { sent: number; received: number }>()

  of(link: string): { readonly sent: number; readonly received: number } {
    return this.#bytes.get(link) ?? { sent: 0, received: 0 }
  }

  used(link: string): number {
    const { sent, received } = this.of(link)
    return Math.max(sent, received)
  }

  count(link: string, way: 'sent' | 'received', bytes: number): void {
    const known = this.of(link)
    this.#bytes.set(link, { ...known, [way]: known[way] + bytes })
  }
}

/** What is said of links, by hand; in the product the journal's tables stand behind it. */
export class SaidOfLinks implements LinkPolicies {
  readonly #said = new Map<string, LinkPolicy>()
  readonly #listeners = new Set<() => void>()

  say(link: string, policy: Partial<LinkPolicy>): void {
    this.#said.set(link, { ...NO_POLICY, ...policy, own: true })
    for (const listener of this.#listeners) listener()
  }

  policy(link: string): LinkPolicy {
    return this.#said.get(link) ?? NO_POLICY
  }

  onChange(listener: () => void): () => void {
    const own = () => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }
}

function hastened(haste: number): { readonly clock: Clock; readonly timers: Timers } {
  const { clock, timers } = runtime
  return {
    clock: { now: () => clock.now(), monotonic: () => clock.monotonic() * haste },
    timers: {
      sleep: (ms, signal) => timers.sleep(ms / haste, signal),
      after: (ms, task) => timers.after(ms / haste, task),
    },
  }
}

function noting(log: Record<string, unknown>[]): Logger {
  const note = (level: string) => (facts: object, message: string) => {
    log.push({ level, message, ...facts })
  }
  return {
    ...silentLogger,
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => noting(log),
  }
}

export function bound(blobs: BlobStore): BlobStore {
  return {
    open: (digest) => blobs.open(digest),
    stat: (digest) => blobs.stat(digest),
    stage: () => blobs.stage(),
    delete: (digest) => blobs.delete(digest),
    list: () => blobs.list(),
  }
}

export interface Cargo {
  readonly digest: Digest
  readonly bytes: Buffer
}

export function cargo(size: number): Cargo {
  const bytes = randomBytes(size)
  return { bytes, digest: parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`) }
}

/** Puts it in the ship's store, and lets the swarm know. */
export async function load(ship: Ship, { bytes, digest }: Cargo): Promise<void> {
  const staged = await ship.blobs.stage()
  await staged.write(bytes, 0)
  await staged.commit(digest)
  ship.swarm.announce(digest, bytes.length)
}

/** Reads a stream to its end. */
export async function read(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** Fetches and reads the whole. */
export async function pull(ship: Ship, digest: Digest): Promise<Buffer> {
  const blob = await found(ship, digest)
  const bytes = await read(blob.stream())
  await blob.committed
  return bytes
}

export async function found(ship: Ship, digest: Digest): Promise<IncomingBlob> {
  const blob = await ship.swarm.fetch(digest)
  if (!blob) throw new Error('no holder was found')
  return blob
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
