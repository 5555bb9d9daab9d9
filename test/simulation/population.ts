import type { ReplicationParts } from '../../cluster/ledger/replication.ts'
import type { AdmissionPackage } from '../../cluster/membership/admission.ts'
import { type NetworkKey, networkKeyName } from '../../cluster/membership/network-keys.ts'
import type { Member } from '../../cluster/membership/roster.ts'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import type { Wire } from './network/wire.ts'
import { FIRST_KEYS, publicSealKey } from './network-keys.ts'
import { SimNode } from './node.ts'
import type { Oracle } from './oracle.ts'
import type { Keys } from './signatures.ts'
import type { Workload } from './workload.ts'
import type { World } from './world/world.ts'

/** A newcomer that waits for a second consent asks so often. */
const ASK_MS = 400
const ASKS_MAX = 12
const DAY_MS = 86_400_000

export interface PopulationParts {
  readonly world: World
  readonly wire: Wire
  readonly keys: Keys
  readonly oracle: Oracle
  readonly workload: Workload
  readonly genesis: Uint8Array
  readonly clusterId: string
  readonly pace: ReplicationParts['pace']
}

/** Every node there ever was, and how one more comes to be. */
export class Population {
  readonly nodes: SimNode[] = []
  /** Who admitted somebody stays as well, for what it recorded could go with it. */
  readonly sponsors = new Set<SimNode>()
  readonly #parts: PopulationParts
  #named = 1

  constructor(parts: PopulationParts) {
    this.#parts = parts
  }

  add(
    id: string,
    name: string,
    seeds: readonly Member[],
    networkKeys: readonly NetworkKey[] = FIRST_KEYS,
  ): SimNode {
    const { oracle: witness } = this.#parts
    const node = new SimNode({ ...this.#parts, witness, id, name, seeds, networkKeys })
    this.nodes.push(node)
    return node
  }

  async join(issuer: SimNode, isFirst = false): Promise<void> {
    const { world, keys, oracle, workload } = this.#parts
    const { random } = world
    const id = keys.create()
    const seeds = this.nodes.map(({ id, name }) => seedOf(id, name))
    const name = `n${this.#named++}`
    const invite = `invite-${id}`
    const { up } = issuer
    if (!up) return
    this.sponsors.add(issuer)
    oracle.admitted.add(id)
    oracle.joined()
    const facts = { ...factsOf(id, name), addresses: [], swarm: [] }
    const by = isFirst || random.chance(0.5) ? NODE_ITSELF : workload.sponsor(up.journal.tables)
    const approval = by !== NODE_ITSELF && random.chance(0.5)
    const request = { ttlSeconds: DAY_MS / 1000, role: 'anchor', scope: null, approval, days: null } as const
    const issued = { id: invite, verifier: 'v', expiresAt: issuer.clock.now() + DAY_MS }
    await up.admissions.record(issued, request, by)
    const told = await this.#letIn(issuer, () => issuer.up?.admissions.admit(invite, id, facts))
    if (!told) return
    const networkKeys = told.networkKeys.map(({ key, rank, leftMs }) => ({
      name: networkKeyName(key),
      key,
      rank,
      until: leftMs === null ? null : world.nowMs + leftMs,
    }))
    await this.add(id, name, seeds, networkKeys).boot()
  }

  /** Asks at the desk until a second consent was given, where one is needed. */
  async #letIn(
    issuer: SimNode,
    ask: () => Promise<AdmissionPackage | 'pending'> | undefined,
  ): Promise<AdmissionPackage | undefined> {
    for (let asks = 0; asks < ASKS_MAX; asks++) {
      const answer = (await ask()) ?? 'pending'
      if (answer !== 'pending') return answer
      await new Promise<void>((resolve) => {
        this.#parts.world.schedule(ASK_MS, `${issuer.name} is asked again`, resolve)
      })
    }
    return undefined
  }
}

/** What a node says of itself. */
export function factsOf(id: string, name: string) {
  return {
    name,
    site: name,
    addresses: [],
    swarm: [],
    url: null,
    tokenKey: 'k'.repeat(43),
    sealKey: publicSealKey(id),
  }
}

function seedOf(id: string, name: string): Member {
  const standing = { role: 'anchor', notAfter: null, sealKey: null, admittedBy: null } as const
  return { id, name, site: name, state: 'member', addresses: [], swarm: [], url: null, ...standing }
}
