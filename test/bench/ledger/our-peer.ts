import { Replication } from '../../../cluster/ledger/replication.ts'
import type { Roster, Member as RosterMember } from '../../../cluster/membership/roster.ts'
import { Host } from '../../../cluster/network/host.ts'
import { Keyring } from '../../../cluster/network/keyring.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { machineMs } from '../part.ts'
import { admit, foundMember, openMember, TagWriter } from './member.ts'
import type { BenchPeer } from './peer.ts'

const KEY = new Uint8Array(32).fill(7)

/** Whom a bench lets in: links are cut and healed here. */
class Links implements Roster {
  readonly #members = new Map<string, RosterMember>()
  readonly #listeners = new Set<() => void>()

  put(id: string, state: RosterMember['state'], addresses: readonly string[]): void {
    this.#members.set(id, {
      id,
      name: id,
      site: 'here',
      state,
      role: 'anchor',
      notAfter: null,
      sealKey: null,
      admittedBy: null,
      addresses,
      swarm: [],
      url: null,
    })
    for (const listener of this.#listeners) listener()
  }

  get(node: string): RosterMember | undefined {
    return this.#members.get(node)
  }

  isMember(node: string): boolean {
    return this.#members.get(node)?.state === 'member'
  }

  members(): RosterMember[] {
    return [...this.#members.values()]
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** A member on the network: its journal, its host and its replication as `serve` puts them together. */
export async function startOurPeer(directory: string, clusterId: string): Promise<BenchPeer> {
  const member = clusterId === '' ? await foundMember(directory) : await openMember(directory, clusterId)
  const { journal, identity } = member
  const links = new Links()
  const runtime = { clock: systemClock, random: systemRandom, timers: systemTimers, log: silentLogger }
  const host = new Host(
    { clusterId: journal.cluster, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { identity, keyring: new Keyring(KEY), roster: links, ...runtime },
  )
  const replication = new Replication({ journal, network: host, roster: links, ...runtime })
  const arrivals: [string, number][] = []
  journal.onChange((changes) => {
    const at = machineMs()
    for (const { table, key } of changes) if (table === 'tags') arrivals.push([TagWriter.nameOf(key), at])
  })
  await host.start()
  await replication.start()
  let tags: TagWriter | undefined
  return {
    id: () => identity.id,
    cluster: () => journal.cluster,
    addresses: () => host.addresses(),
    admit: (node) => admit(member, node),
    meet: async (id, addresses) => links.put(id, 'member', addresses),
    part: async (id) => links.put(id, 'left', []),
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
      await host.stop()
      await member.close()
    },
  }
}
