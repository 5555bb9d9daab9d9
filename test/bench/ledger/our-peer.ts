import { join } from 'node:path'
import { orbitFormat } from '../../../cluster/ledger/orbit-format.ts'
import { Replication } from '../../../cluster/ledger/replication.ts'
import { Host } from '../../../cluster/network/host.ts'
import { Keyring } from '../../../cluster/network/keyring.ts'
import { Swarm } from '../../../cluster/swarm/swarm.ts'
import { CATALOG } from '../../../src/journal/op.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { openDisk } from '../../support/disk.ts'
import { ListRoster } from '../../support/list-roster.ts'
import { UNRESTRICTED } from '../../support/unrestricted.ts'
import { machineMs } from '../part.ts'
import { admit, foundMember, openMember, TagWriter } from './member.ts'
import type { BenchPeer } from './peer.ts'

const KEY = new Uint8Array(32).fill(7)

/** A member on the network: its journal, its host and its replication as `serve` puts them together. */
export async function startOurPeer(directory: string, clusterId: string): Promise<BenchPeer> {
  const member = clusterId === '' ? await foundMember(directory) : await openMember(directory, clusterId)
  const { journal, identity } = member
  const links = new ListRoster()
  const runtime = { clock: systemClock, random: systemRandom, timers: systemTimers, log: silentLogger }
  const host = new Host(
    { clusterId: journal.cluster, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { identity, keyring: new Keyring(KEY), roster: links, ...runtime },
  )
  // Snapshots travel as blobs.
  const disk = await openDisk(join(directory, 'blobs'))
  const swarm = new Swarm(
    {
      blobs: disk.blobs,
      network: host,
      roster: links,
      residency: UNRESTRICTED,
      identity: identity.privateKey,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      logger: silentLogger,
    },
    { host: '127.0.0.1', port: 0, directory: join(directory, 'torrents') },
  )
  const blobs = { store: disk.blobs, source: swarm, format: orbitFormat(identity) }
  const replication = new Replication({ journal, network: host, roster: links, blobs, ...runtime })
  const arrivals: [string, number][] = []
  journal.onChange((changes) => {
    const at = machineMs()
    for (const { table, key } of changes) if (table === 'tags') arrivals.push([TagWriter.nameOf(key), at])
  })
  await host.start()
  await swarm.start()
  await replication.start()
  let tags: TagWriter | undefined
  return {
    id: () => identity.id,
    cluster: () => journal.cluster,
    addresses: () => host.addresses(),
    swarm: () => {
      const address = swarm.address()
      return address ? [`${address.host}:${address.port}`] : []
    },
    async snapshot() {
      await replication.snapshot(CATALOG)
    },
    admit: (node) => admit(member, node),
    meet: async (id, addresses, swarm = []) => links.put(id, { state: 'member', addresses, swarm }),
    part: async (id) => links.put(id, { state: 'left', addresses: [] }),
    connected: () => host.connected(),
    async put(name) {
      tags ??= await TagWriter.of(member)
      await tags.put(name)
    },
    catchUp: (id) => replication.catchUp(id, AbortSignal.timeout(30 * 60_000)),
    arrivals: () => arrivals.splice(0),
    standing: () => `${journal.position().digest} ${journal.stateHash()}`,
    async close() {
      await replication.stop()
      await swarm.stop()
      await host.stop()
      await disk.close()
      await member.close()
    },
  }
}
