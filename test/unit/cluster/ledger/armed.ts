import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { orbitFormat } from '../../../../cluster/ledger/orbit-format.ts'
import { Replication } from '../../../../cluster/ledger/replication.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { Host } from '../../../../cluster/network/host.ts'
import { Keyring } from '../../../../cluster/network/keyring.ts'
import { Swarm } from '../../../../cluster/swarm/swarm.ts'
import type { SnapshotRow } from '../../../../src/journal/rows.ts'
import { type Digest, parseDigest } from '../../../../src/oci/digest.ts'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import { openDisk } from '../../../support/disk.ts'
import { UNRESTRICTED } from '../../../support/unrestricted.ts'
import { ListRoster, runtime } from '../network/cast.ts'
import type { Ship } from './harbour.ts'
import {
  admit,
  everything,
  foundSite,
  newCluster,
  newIdentity,
  openSite,
  type Plan,
  type Site,
  temporary,
} from './shipyard.ts'

const KEY = new Uint8Array(32).fill(7)

/** Nothing happens by itself unless a test wants it to. */
export const STILL = { entries: 1e9, logBytes: 1e12, checkMs: 1e9, jitterMs: 0, quietMs: 0, pruneMs: 1e9 }
/** Everything happens at once. */
export const BUSY = {
  entries: 10,
  logBytes: 1e12,
  checkMs: 50,
  jitterMs: 50,
  quietMs: 50,
  pruneMs: 50,
  worthEntries: 5,
}

export type Pace = NonNullable<ConstructorParameters<typeof Replication>[0]['pace']>

/** A ship with a hold for blobs, and a swarm to carry them. */
export interface ArmedShip extends Ship {
  readonly blobs: BlobStore
  readonly swarm: Swarm
  /** Directory of its blobs. */
  readonly hold: string
}

/** @param hold where its blobs are, when it had some */
export async function arm(plan: Plan, site: Site, pace: Pace = STILL, hold?: string): Promise<ArmedShip> {
  const links = new ListRoster()
  const { identity, journal } = site
  const host = new Host(
    { clusterId: plan.clusterId, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { identity, keyring: new Keyring(KEY), roster: links, ...runtime },
  )
  const { log: logger, ...parts } = runtime
  const root = hold ?? (await temporary())
  const disk = await openDisk(root)
  const swarm = new Swarm(
    {
      blobs: disk.blobs,
      network: host,
      roster: links,
      residency: UNRESTRICTED,
      identity: identity.privateKey,
      logger,
      ...parts,
    },
    { host: '127.0.0.1', port: 0, directory: join(root, 'torrents') },
  )
  const roster = new TableRoster(journal, runtime)
  const blobs = { store: disk.blobs, source: swarm, format: orbitFormat(identity) }
  const replication = new Replication({ journal, network: host, roster, ...runtime, blobs, pace })
  await roster.start()
  await host.start()
  await swarm.start()
  await replication.start()
  let sunk = false
  const sink = async () => {
    if (sunk) return
    sunk = true
    await replication.stop()
    await swarm.stop()
    await host.stop()
    await roster.stop()
    await site.close()
    await disk.close()
  }
  onTestFinished(sink)
  return { ...site, host, links, replication, sink, blobs: disk.blobs, swarm, hold: root }
}

/** Lets them all reach each other, and fetch each other's blobs. */
export function moor(...ships: readonly ArmedShip[]): void {
  for (const { links } of ships) {
    for (const { host, swarm } of ships) {
      const at = swarm.address()
      links.put(host.self, {
        addresses: host.addresses(),
        swarm: at ? [`${at.host}:${at.port}`] : [],
        state: 'member',
      })
    }
  }
}

export async function armedFleet(
  size: number,
  pace: Pace = STILL,
): Promise<{ plan: Plan; ships: ArmedShip[] }> {
  const plan = newCluster()
  const founder = await arm(plan, await foundSite(plan), pace)
  const ships = [founder]
  for (let n = 1; n < size; n++) ships.push(await armedNewcomer(plan, founder, pace, true))
  return { plan, ships }
}

/** A member with an empty store; where it is `aware` it knows the cluster's authority lane. */
export async function armedNewcomer(
  plan: Plan,
  founder: Site,
  pace: Pace = STILL,
  aware = false,
): Promise<ArmedShip> {
  const identity = newIdentity()
  await admit(founder, identity.id)
  const site = await openSite(plan, { identity })
  if (aware) await site.journal.take(await everything(founder), founder.identity.id)
  return arm(plan, site, pace)
}

export async function bytesOf(ship: ArmedShip, digest: string): Promise<Buffer> {
  const blob = await ship.blobs.open(parseDigest(digest))
  if (!blob) throw new Error('the blob is not here')
  const chunks: Buffer[] = []
  for await (const chunk of blob.stream()) chunks.push(Buffer.from(chunk))
  await blob.close()
  return Buffer.concat(chunks)
}

export async function snapshotsAt(site: Site): Promise<SnapshotRow[]> {
  const rows: SnapshotRow[] = []
  for await (const { row } of site.journal.tables.list('snapshots')) rows.push(row)
  return rows
}

export async function signers(site: Site, id: string | undefined): Promise<number> {
  return (await snapshotsAt(site)).find((row) => row.id === id)?.signers.length ?? 0
}

/** Digest of all but the header, which says under which authority the rows were made. */
export function withoutHeader(bytes: Buffer): string {
  return createHash('sha256')
    .update(bytes.subarray(4 + bytes.readUInt32BE(0)))
    .digest('hex')
}

/** Keeps what streams in among the ship's blobs. */
export async function stow(
  ship: ArmedShip,
  stream: AsyncIterable<Uint8Array>,
): Promise<{ digest: Digest; bytes: number }> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  const whole = Buffer.concat(chunks)
  const digest = parseDigest(`sha256:${createHash('sha256').update(whole).digest('hex')}`)
  const staged = await ship.blobs.stage()
  await staged.write(whole, 0)
  await staged.commit(digest)
  ship.swarm.announce(digest, whole.length)
  return { digest, bytes: whole.length }
}
