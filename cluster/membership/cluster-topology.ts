import { Fault } from '../../src/errors.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import type { NodeRow } from '../../src/journal/rows.ts'
import type {
  ClusterStatus,
  Invitation,
  InviteRequest,
  MemberStatus,
  Topology,
  TransferStatus,
} from '../../src/registry/topology.ts'
import { LEAVE_SPREAD_MS_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'

/** How a peer's journal stands to ours, as the last exchange of frontiers showed it. */
export interface PeerSync {
  readonly sync: MemberStatus['sync']
  readonly lagEntries: number | null
  readonly stateHash: string | null
  readonly lastExchangeMs: number | null
}

export interface TopologyParts {
  readonly clusterId: string
  readonly clusterName: string
  readonly journal: Journal
  readonly network: { connected(): NodeId[]; rttMs(peer: NodeId): number | undefined }
  readonly replication: {
    peers(): ReadonlyMap<NodeId, PeerSync>
    /** Resolves when some connected peer holds all we have, or after `ms`. */
    spread(ms: number): Promise<void>
  }
  readonly invites: { create(ttlSeconds: number): Promise<Invitation> }
  transfers(): TransferStatus
}

/** What an operator sees of the cluster, and does to it. */
export class ClusterTopology implements Topology {
  readonly #parts: TopologyParts

  constructor(parts: TopologyParts) {
    this.#parts = parts
  }

  async status(): Promise<ClusterStatus> {
    const { clusterId, clusterName, journal, network, replication } = this.#parts
    const connected = new Set(network.connected())
    const peers = replication.peers()
    const members: MemberStatus[] = []
    for await (const { row } of journal.tables.list('nodes')) {
      members.push(this.#member(row, connected.has(row.id), peers.get(row.id)))
    }
    members.sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1))
    return {
      cluster: { id: clusterId, name: clusterName },
      self: journal.node,
      stateHash: journal.stateHash(),
      members,
      transfers: this.#parts.transfers(),
    }
  }

  async invite({ ttlSeconds }: InviteRequest): Promise<Invitation> {
    return this.#parts.invites.create(ttlSeconds)
  }

  async evict(node: string): Promise<void> {
    const { journal } = this.#parts
    const id = await this.#find(node)
    if (id === journal.node)
      throw new Fault('NODE_IS_SELF', 'a node does not evict itself: use leave', { node })
    await journal.commit(AUTHORITY, () => [op('node.evicted', { node: id }, 'node')])
  }

  async leave(): Promise<void> {
    const { journal, replication } = this.#parts
    await journal.commit(AUTHORITY, () => [op('node.left', {}, 'node')])
    await replication.spread(LEAVE_SPREAD_MS_MAX)
  }

  /** By id, or by a name that only one member has. */
  async #find(node: string): Promise<NodeId> {
    const found: NodeRow[] = []
    for await (const { row } of this.#parts.journal.tables.list('nodes')) {
      if (row.id === node) return row.id
      if (row.name === node && row.state === 'member') found.push(row)
    }
    if (found.length > 1)
      throw new Fault('NODE_AMBIGUOUS', `several members are called ${node}: name the id`, { node })
    if (!found[0]) throw new Fault('NODE_UNKNOWN', `no member of this cluster is called ${node}`, { node })
    return found[0].id
  }

  #member(row: NodeRow, connected: boolean, peer: PeerSync | undefined): MemberStatus {
    const self = row.id === this.#parts.journal.node
    const own = {
      sync: 'in-sync',
      lagEntries: 0,
      stateHash: this.#parts.journal.stateHash(),
      lastExchangeMs: 0,
    } as const
    const unknown = { sync: 'unknown', lagEntries: null, stateHash: null, lastExchangeMs: null } as const
    return {
      id: row.id,
      name: row.name,
      site: row.site,
      state: row.state,
      self,
      connected: self || connected,
      addresses: row.addresses,
      url: row.url,
      rttMs: self ? 0 : (this.#parts.network.rttMs(row.id) ?? null),
      ...(self ? own : (peer ?? unknown)),
    }
  }
}
