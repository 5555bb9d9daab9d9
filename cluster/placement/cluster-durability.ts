import { CATALOG, type Frontier, parseFeedId } from '../../src/journal/op.ts'
import { type PlacementPolicy, placementOf } from '../../src/journal/placement-policy.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Durability, PushDurability, Shortfall } from '../../src/registry/durability.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network } from '../network/network.ts'
import { Change } from '../swarm/waiting.ts'
import { allowed, type Berth, berthsOf } from './berths.ts'
import { projectOf } from './catalog-walk.ts'
import { KEEP_RETRY_MS } from './limits.ts'
import type { PlacementClient } from './placement-client.ts'
import { oneOf, sitesInOrder } from './plan.ts'
import type { Records } from './records.ts'

export interface DurabilityParts {
  readonly records: Pick<Records, 'node' | 'tables' | 'frontier'>
  readonly roster: Roster
  readonly network: Pick<Network, 'connected'>
  readonly client: Pick<PlacementClient, 'keep'>
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

/** Has other sites keep what is pushed here, before the push is answered. */
export class ClusterDurability implements Durability {
  readonly #parts: DurabilityParts

  constructor(parts: DurabilityParts) {
    this.#parts = parts
  }

  begin(repository: string): PushDurability {
    const project = this.#parts.records.tables.get('projects', projectOf(repository))
    const policy = project && placementOf(project)
    return policy && policy.durability.sites > 1 ? new Push(this.#parts, repository, policy) : AT_ONCE
  }
}

const AT_ONCE: PushDurability = { bytes: async () => {}, records: async () => undefined }

class Push implements PushDurability {
  readonly #parts: DurabilityParts
  readonly #repository: string
  readonly #policy: PlacementPolicy
  readonly #deadline: number

  constructor(parts: DurabilityParts, repository: string, policy: PlacementPolicy) {
    this.#parts = parts
    this.#repository = repository
    this.#policy = policy
    this.#deadline = parts.clock.monotonic() + policy.durability.waitMs
  }

  async bytes(digests: readonly Digest[]): Promise<Shortfall | undefined> {
    return this.#kept(digests)
  }

  async records(digests: readonly Digest[]): Promise<Shortfall | undefined> {
    return this.#kept(digests)
  }

  /** Until enough sites keep it, or the time is over. */
  async #kept(digests: readonly Digest[]): Promise<Shortfall | undefined> {
    const { sites: wanted, waitMs } = this.#policy.durability
    const { clock, timers, records } = this.#parts
    const kept = new Set(this.#berths().flatMap(({ id, site }) => (id === records.node ? [site] : [])))
    const over = new AbortController()
    const callOff = timers.after(Math.max(0, this.#deadline - clock.monotonic()), () =>
      over.abort(new Error('the push has waited as long as its project says')),
    )
    try {
      while (kept.size < wanted && !over.signal.aborted) {
        await this.#ask(digests, kept, wanted, over.signal)
        if (kept.size < wanted) await timers.sleep(KEEP_RETRY_MS, over.signal).catch(() => {})
      }
    } finally {
      callOff()
      over.abort(new Error('enough sites have it'))
    }
    return kept.size < wanted ? { sites: kept.size, wanted, waitMs } : undefined
  }

  /** As many sites at a time as are wanting; where one fails the next in order is asked. */
  async #ask(
    digests: readonly Digest[],
    kept: Set<string>,
    wanted: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { records, network } = this.#parts
    const connected = new Set(network.connected())
    const reachable = this.#berths().filter(({ id, site }) => connected.has(id) && !kept.has(site))
    const waiting = sitesInOrder({ repository: this.#repository, homes: [records.node] }, reachable)
    const done = new Change()
    let asking = 0
    while (kept.size < wanted && !signal.aborted) {
      while (kept.size + asking < wanted && waiting.length > 0) {
        asking++
        void this.#site(digests, waiting.shift() ?? [], signal)
          .then((site) => kept.add(site))
          .catch((error: unknown) =>
            this.#parts.log.debug({ err: error }, 'placement: a site did not keep a push'),
          )
          .finally(() => {
            asking--
            done.announce()
          })
      }
      if (asking === 0) return
      await done.next(signal).catch(() => {})
    }
  }

  /** Has the nodes of one site keep it, each what it would be left with anyway. @returns the site */
  async #site(digests: readonly Digest[], nodes: readonly Berth[], signal: AbortSignal): Promise<string> {
    const { client, records } = this.#parts
    const own = ownRecords(records)
    const shares = new Map<string, Digest[]>()
    for (const digest of digests)
      for (const { id } of oneOf({ digest, homes: [] }, nodes))
        shares.set(id, [...(shares.get(id) ?? []), digest])
    if (shares.size === 0 && nodes[0]) shares.set(nodes[0].id, [])
    await Promise.all([...shares].map(([id, share]) => client.keep(id, share, own, signal)))
    return nodes[0]?.site ?? ''
  }

  #berths(): Berth[] {
    const { roster, records } = this.#parts
    return allowed(berthsOf(roster, records), this.#policy)
  }
}

/** How far this node has come in the lane pushes are recorded in. */
function ownRecords(records: Pick<Records, 'node' | 'frontier'>): Frontier {
  const feeds = Object.entries(records.frontier()).filter(([feed]) => {
    const { lane, author } = parseFeedId(feed)
    return lane === CATALOG && author === records.node
  })
  return Object.fromEntries(feeds)
}
