import { Fault } from '../../src/errors.ts'
import type { Journal, Tables } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY, type NewOp } from '../../src/journal/op.ts'
import type { InviteRow, NodeFacts, NodeRow } from '../../src/journal/rows.ts'
import { MEMBERSHIP_DAYS_MAX } from '../../src/limits.ts'
import type { InviteRequest, OnBehalf } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { NodeId } from '../network/network.ts'
import type { AdmissionLedger, AdmissionPackage, InviteRecord } from './admission.ts'
import type { IssuedInvite } from './admission-desk.ts'
import type { LiveKey } from './network-keys.ts'
import type { Roster } from './roster.ts'

/** Members a newcomer is told of; the journal names the rest. */
const ACQUAINTANCES_MAX = 32
export const DAY_MS = 24 * 60 * 60_000

export interface AdmissionParts {
  readonly journal: Journal
  readonly roster: Roster
  readonly clock: Clock
  /** The network keys of now, the one in use first. */
  readonly keys: () => readonly LiveKey[]
}

/** Invites and admissions as records: the commit's own turn is what makes "once" true. */
export class JournalAdmissions implements AdmissionLedger, Startable {
  readonly #parts: AdmissionParts
  readonly #cluster: Pick<AdmissionPackage, 'clusterId' | 'clusterName' | 'genesis'>
  /** Of this node alone, kept by the journal's changes. */
  readonly #invites = new Map<string, InviteRow>()
  #unfollow = () => {}

  constructor(
    parts: AdmissionParts,
    cluster: Pick<AdmissionPackage, 'clusterId' | 'clusterName' | 'genesis'>,
  ) {
    this.#parts = parts
    this.#cluster = cluster
  }

  async start(): Promise<void> {
    const { journal } = this.#parts
    this.#unfollow = journal.onChange((changes) => {
      for (const { table, row } of changes) if (table === 'invites' && row) this.#keep(row as InviteRow)
    })
    for await (const { row } of journal.tables.list('invites')) this.#keep(row)
  }

  async stop(): Promise<void> {
    this.#unfollow()
  }

  /** Puts on record that an invite exists; until then nobody is admitted by it. */
  async record(issued: IssuedInvite, request: InviteRequest, by: OnBehalf): Promise<void> {
    const { id: invite, verifier, expiresAt } = issued
    const { role, approval, days } = request
    const scope = request.scope === null ? null : [...request.scope]
    const body = { invite, verifier, expiresAt, role, scope, approval, days }
    await this.#parts.journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      return [op('invite.created', body, by.actor)]
    })
  }

  openInvites(): InviteRecord[] {
    return [...this.#invites.values()]
  }

  async admit(inviteId: string, node: NodeId, facts: NodeFacts): Promise<AdmissionPackage | 'pending'> {
    const { journal, roster, clock, keys } = this.#parts
    await journal.commit(AUTHORITY, (tables) => this.#admission(tables, inviteId, node, facts))
    const state = journal.tables.get('nodes', node)?.state
    if (state === 'pending') return 'pending'
    if (state !== 'member') throw new Fault('NODE_REFUSED', 'the cluster’s records do not let this node in')
    const members = roster
      .members()
      .filter(({ id }) => roster.isMember(id) && id !== node)
      // The inviter first: it is the one that surely knows the newcomer already.
      .sort((a, b) => Number(b.id === journal.node) - Number(a.id === journal.node))
      .slice(0, ACQUAINTANCES_MAX)
      .map(({ id, name, site, addresses, swarm, url }) => ({ id, name, site, addresses, swarm, url }))
    const now = clock.now()
    const networkKeys = keys().map(({ key, rank, until }) => ({
      key,
      rank,
      leftMs: until === null ? null : Math.max(0, until - now),
    }))
    return { ...this.#cluster, networkKeys, members }
  }

  /** @throws Fault why it may not be admitted */
  #admission(tables: Pick<Tables, 'get'>, inviteId: string, node: NodeId, facts: NodeFacts): NewOp[] {
    // An invite is its issuer's: only here can this one be redeemed.
    const invite = tables.get('invites', `${this.#parts.journal.node}/${inviteId}`)
    if (!invite) throw new Fault('INVITE_UNKNOWN', 'the cluster knows no such invite')
    const known = tables.get('nodes', node)
    if (known?.state === 'evicted') throw new Fault('NODE_EVICTED', 'this node was evicted')
    if (known?.state === 'left')
      throw new Fault('NODE_LEFT', 'this node has left; join with a new data directory')
    if (invite.redeemedBy === node) return []
    if (invite.redeemedBy !== null) {
      throw new Fault('INVITE_USED', 'the invite has been used by another node; ask for a new one')
    }
    if (invite.withdrawn) throw new Fault('INVITE_WITHDRAWN', 'the invite was withdrawn')
    const now = this.#parts.clock.now()
    if (invite.expiresAt <= now) {
      throw new Fault('INVITE_EXPIRED', 'the invite has expired')
    }
    const notAfter = invite.days === null ? null : now + invite.days * DAY_MS
    const own = { ...facts, addresses: [...facts.addresses], swarm: [...facts.swarm] }
    // In the name of whoever invited it: what they may no longer do when it counts, this does not do either.
    const admitted = op('node.admitted', { node, facts: own, invite: inviteId, notAfter }, invite.actor)
    return [admitted, ...renewal(known, notAfter, now, invite.actor)]
  }

  #keep(row: InviteRow): void {
    if (row.issuer !== this.#parts.journal.node) return
    if (row.redeemedBy === null) this.#invites.set(row.id, row)
    else this.#invites.delete(row.id)
  }
}

/** A member that comes again, its term over or its network key outdated, stays what it is for longer. */
function renewal(known: NodeRow | undefined, notAfter: number | null, now: number, actor: string): NewOp[] {
  if (known?.state !== 'member' || known.notAfter === null) return []
  const until = notAfter ?? now + MEMBERSHIP_DAYS_MAX * DAY_MS
  if (until <= known.notAfter) return []
  return [op('node.renewed', { node: known.id, notAfter: until }, actor)]
}
