import { Fault } from '../../src/errors.ts'
import { evictionOf, reasonOf } from '../../src/journal/authority/evictions.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import type { InviteRow, NodeRow } from '../../src/journal/rows.ts'
import type {
  ClusterStatus,
  Eviction,
  HandoverStatus,
  Invitation,
  InviteRequest,
  InviteStatus,
  LinkSettings,
  LinkStatus,
  MemberStatus,
  OnBehalf,
  Review,
  ReviewRequest,
  StorageCheck,
  Topology,
  TransferStatus,
} from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { LEAVE_SPREAD_MS_MAX } from '../limits.ts'
import type { LinkDesk } from '../links/link-desk.ts'
import type { NodeId } from '../network/network.ts'
import type { Handover } from '../placement/handover.ts'
import type { KeyRotation } from './key-rotation.ts'
import type { MemberActs } from './member-acts.ts'
import { type ReviewedLogs, reviewOf } from './review.ts'

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
  readonly logs: ReviewedLogs
  readonly clock: Clock
  readonly network: { connected(): NodeId[]; rttMs(peer: NodeId): number | undefined }
  readonly replication: {
    peers(): ReadonlyMap<NodeId, PeerSync>
    /** Resolves when some connected peer holds all we have, or after `ms`. */
    spread(ms: number): Promise<void>
  }
  readonly invites: { create(request: InviteRequest, by: OnBehalf): Promise<Invitation> }
  readonly acts: MemberActs
  readonly links: Pick<LinkDesk, 'status' | 'set'>
  readonly handover: Pick<Handover, 'over' | 'begin' | 'status'>
  readonly rotation: Pick<KeyRotation, 'rotate'>
  notices(): readonly string[]
  transfers(): TransferStatus
  /** How the records stand here. */
  ledger(): Promise<Pick<ClusterStatus, 'lanes' | 'refused' | 'ledger'>>
  checkStorage(anew: boolean): StorageCheck
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
      notices: this.#parts.notices(),
      transfers: this.#parts.transfers(),
      ...(await this.#parts.ledger()),
    }
  }

  async invite(request: InviteRequest, by: OnBehalf): Promise<Invitation> {
    return this.#parts.invites.create(request, by)
  }

  async invites(): Promise<readonly InviteStatus[]> {
    const { tables } = this.#parts.journal
    const found: InviteStatus[] = []
    for await (const { row } of tables.list('invites')) {
      const { id, role, scope, approval, days, redeemedBy } = row
      const issuer = tables.get('nodes', row.issuer)?.name ?? row.issuer
      const expiresAt = new Date(row.expiresAt).toISOString()
      const state = this.#stateOf(row)
      found.push({ id, issuer, state, role, scope, approval, days, expiresAt, redeemedBy })
    }
    return found.sort((a, b) => (a.expiresAt < b.expiresAt ? -1 : 1))
  }

  async withdrawInvite(id: string, by: OnBehalf): Promise<void> {
    const { journal } = this.#parts
    await this.#isHere(id)
    await journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const row = tables.get('invites', `${journal.node}/${id}`)
      if (!row) throw new Fault('INVITE_UNKNOWN', `there is no invite ${id}`, { invite: id })
      if (row.redeemedBy !== null)
        throw new Fault('INVITE_USED', 'the invite has been used; evict the node that came by it', {
          node: row.redeemedBy,
        })
      return row.withdrawn ? [] : [op('invite.withdrawn', { invite: id }, by.actor)]
    })
  }

  approve(node: string, by: OnBehalf): Promise<void> {
    return this.#parts.acts.approve(node, by)
  }

  async review(node: string, { since }: ReviewRequest): Promise<Review> {
    const row = await this.#parts.acts.find(node, ['member', 'pending', 'left', 'evicted'])
    return reviewOf(row, since, this.#parts.logs, this.#parts.journal.tables)
  }

  evict(node: string, eviction: Eviction, by: OnBehalf): Promise<void> {
    return this.#parts.acts.evict(node, eviction, by)
  }

  async leave(by: OnBehalf, force: boolean): Promise<void> {
    if (!force) await this.#parts.handover.over()
    await this.#parts.acts.leave(by)
    await this.#parts.replication.spread(LEAVE_SPREAD_MS_MAX)
  }

  handOver(): HandoverStatus {
    return this.#parts.handover.begin()
  }

  handover(): HandoverStatus {
    return this.#parts.handover.status()
  }

  rotateNetworkKey(by: OnBehalf): Promise<string> {
    return this.#parts.rotation.rotate(by)
  }

  links(): Promise<readonly LinkStatus[]> {
    return this.#parts.links.status()
  }

  setLink(link: string, said: LinkSettings, by: OnBehalf): Promise<void> {
    return this.#parts.links.set(link, said, by)
  }

  checkStorage(anew: boolean): StorageCheck {
    return this.#parts.checkStorage(anew)
  }

  /** Made elsewhere, it is withdrawn there, like it is redeemed there: nobody else can say which came first. */
  async #isHere(id: string): Promise<void> {
    const { tables, node } = this.#parts.journal
    for await (const { row } of tables.list('invites')) {
      if (row.id !== id || row.issuer === node) continue
      const issuer = tables.get('nodes', row.issuer)?.name ?? row.issuer
      throw new Fault('INVITE_ELSEWHERE', `the invite was made at ${issuer}: withdraw it there`, { issuer })
    }
  }

  #stateOf({ redeemedBy, withdrawn, expiresAt }: InviteRow): InviteStatus['state'] {
    if (redeemedBy !== null) return 'used'
    if (withdrawn) return 'withdrawn'
    return expiresAt <= this.#parts.clock.now() ? 'expired' : 'open'
  }

  #reason(node: NodeId): { reason?: string } {
    const eviction = evictionOf(this.#parts.journal.tables, node)
    const reason = eviction && reasonOf(eviction)
    return reason === undefined ? {} : { reason }
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
      ...(row.state === 'evicted' && this.#reason(row.id)),
      role: row.role,
      notAfter: row.notAfter === null ? null : new Date(row.notAfter).toISOString(),
      self,
      connected: self || connected,
      addresses: row.addresses,
      url: row.url,
      rttMs: self ? 0 : (this.#parts.network.rttMs(row.id) ?? null),
      ...(self ? own : (peer ?? unknown)),
    }
  }
}
