import { onTestFinished } from 'vitest'
import { Replication } from '../../../../cluster/ledger/replication.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { Host } from '../../../../cluster/network/host.ts'
import type { Identity } from '../../../../cluster/network/identity.ts'
import { Keyring } from '../../../../cluster/network/keyring.ts'
import type { Logger } from '../../../../src/runtime/logger.ts'
import { ListRoster, runtime } from '../network/cast.ts'
import {
  admit,
  everything,
  foundSite,
  newCluster,
  newIdentity,
  openSite,
  type Plan,
  type Site,
} from './shipyard.ts'

const KEY = new Uint8Array(32).fill(7)

/** A site on the network: its own host, real sockets on 127.0.0.1. */
export interface Ship extends Site {
  readonly host: Host
  /** Whom its host lets in; a test cuts and heals links here. */
  readonly links: ListRoster
  readonly replication: Replication
  sink(): Promise<void>
}

export async function launch(plan: Plan, site: Site, log: Logger = runtime.log): Promise<Ship> {
  const links = new ListRoster()
  const host = new Host(
    { clusterId: plan.clusterId, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { identity: site.identity, keyring: new Keyring(KEY), roster: links, ...runtime },
  )
  const roster = new TableRoster(site.journal, runtime)
  const replication = new Replication({ journal: site.journal, network: host, roster, ...runtime, log })
  await roster.start()
  await host.start()
  await replication.start()
  let sunk = false
  const sink = async () => {
    if (sunk) return
    sunk = true
    await replication.stop()
    await host.stop()
    await roster.stop()
    await site.close()
  }
  onTestFinished(sink)
  return { ...site, host, links, replication, sink }
}

/** Lets them all reach each other. */
export function connect(...ships: readonly Ship[]): void {
  for (const { links } of ships)
    for (const { host } of ships) links.put(host.self, { addresses: host.addresses(), state: 'member' })
}

/** Cuts every link between the two groups. */
export function cut(left: readonly Ship[], right: readonly Ship[]): void {
  for (const a of left)
    for (const b of right) {
      a.links.put(b.host.self, { state: 'left' })
      b.links.put(a.host.self, { state: 'left' })
    }
}

/** Members of one cluster at sea, the founder first; all admitted, none connected yet. */
export async function armada(size: number): Promise<{ plan: Plan; ships: Ship[] }> {
  const plan = newCluster()
  const founder = await launch(plan, await foundSite(plan))
  const ships = [founder]
  for (let n = 1; n < size; n++) ships.push(await newcomer(plan, founder, newIdentity()))
  return { plan, ships }
}

/** A member that knows of its admission. */
async function newcomer(plan: Plan, founder: Site, identity: Identity = newIdentity()): Promise<Ship> {
  await admit(founder, identity.id)
  const site = await openSite(plan, { identity })
  // A node writes only once it knows that it belongs.
  await site.journal.take(await everything(founder), founder.identity.id)
  return launch(plan, site)
}

/** Whether they hold the same records and say so. */
export function agree(...ships: readonly Site[]): boolean {
  const positions = new Set(ships.map(({ journal }) => `${journal.position().digest} ${journal.stateHash()}`))
  return positions.size === 1
}
