import { onTestFinished } from 'vitest'
import { orbitFormat } from '../../../../cluster/ledger/orbit-format.ts'
import { Replication } from '../../../../cluster/ledger/replication.ts'
import { MemberActs } from '../../../../cluster/membership/member-acts.ts'
import type { Member, Roster } from '../../../../cluster/membership/roster.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import type { Held } from '../../../../cluster/membership/word.ts'
import { WordToFormers } from '../../../../cluster/membership/word-to-formers.ts'
import { Host } from '../../../../cluster/network/host.ts'
import { Keyring } from '../../../../cluster/network/keyring.ts'
import type { NodeId } from '../../../../cluster/network/network.ts'
import { op } from '../../../../src/journal/kinds.ts'
import type { Plan, Site } from '../ledger/shipyard.ts'
import { runtime } from '../network/cast.ts'

export const WIRE_KEY = new Uint8Array(32).fill(9)
export const OPERATOR = { actor: 'node', permit: () => {} }
/** A key of no wire: every host here keeps the one it began with. */
const rotation = {
  prepare: () => ({
    name: '',
    record: () => op('network.key-rotated', { key: '0'.repeat(16), sealed: {} }, 'node'),
  }),
}

/** Where hosts really listen: known to all, whatever their records say. Members are those of the records. */
export class Charted implements Roster {
  readonly #tables: TableRoster
  readonly #chart: ReadonlyMap<NodeId, readonly string[]>

  constructor(tables: TableRoster, chart: ReadonlyMap<NodeId, readonly string[]>) {
    this.#tables = tables
    this.#chart = chart
  }

  get(node: NodeId): Member | undefined {
    const member = this.#tables.get(node)
    return member && { ...member, addresses: this.#chart.get(node) ?? [] }
  }

  isMember(node: NodeId): boolean {
    return this.#tables.isMember(node)
  }

  members(): Member[] {
    return this.#tables
      .members()
      .map((member) => ({ ...member, addresses: this.#chart.get(member.id) ?? [] }))
  }

  onChange(listener: () => void): () => void {
    return this.#tables.onChange(listener)
  }
}

/** Evicts at a site, whatever its links. */
export function evict(site: Site, node: Site, compromised = false): Promise<void> {
  const acts = new MemberActs({ journal: site.journal, rotation })
  return acts.evict(node.identity.id, { compromised, acceptUntil: null, reason: 'lost' }, OPERATOR)
}

export interface Node extends Site {
  readonly host: Host
  readonly replication: Replication
  readonly word: WordToFormers
  /** What it had to believe, without a record. */
  readonly putOut: Held[]
}

/** The sites on one network, real sockets on 127.0.0.1, from the same moment on; who belongs is what each one's records say. */
export async function connect(plan: Plan, ...sites: readonly Site[]): Promise<Node[]> {
  const chart = new Map<NodeId, readonly string[]>()
  const nodes = await Promise.all(
    sites.map(async (site): Promise<Node & { begin(): Promise<void> }> => {
      const tables = new TableRoster(site.journal, runtime)
      const roster = new Charted(tables, chart)
      const host = new Host(
        { clusterId: plan.clusterId, listen: ['/ip4/127.0.0.1/tcp/0'] },
        { identity: site.identity, keyring: new Keyring(WIRE_KEY), roster, ...runtime },
      )
      const { journal } = site
      const replication = new Replication({ journal, network: host, roster, ...runtime })
      const putOut: Held[] = []
      const word = new WordToFormers({
        journal,
        network: host,
        roster,
        laneOf: (block) => {
          try {
            return orbitFormat(site.identity).entryOf(block).lane
          } catch {
            return undefined
          }
        },
        onPutOut: (_, held) => putOut.push(held),
        ...runtime,
      })
      // Nobody is known yet: the host listens, and dials once the table is read.
      await host.start()
      chart.set(host.self, host.addresses())
      const begin = async () => {
        await tables.start()
        await replication.start()
        await word.start()
      }
      onTestFinished(async () => {
        await word.stop()
        await replication.stop()
        await host.stop()
        await tables.stop()
      })
      return { ...site, host, replication, word, putOut, begin }
    }),
  )
  for (const node of nodes) await node.begin()
  return nodes
}

/** As the node's own records have it. */
export function stateAt(at: Site, of: Site): string | undefined {
  return at.journal.tables.get('nodes', of.identity.id)?.state
}
