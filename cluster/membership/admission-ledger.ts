import { Fault } from '../../src/errors.ts'
import type { Journal, Tables } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import type { InviteRow, NodeFacts } from '../../src/journal/rows.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { NodeId } from '../network/network.ts'
import type { AdmissionLedger, AdmissionPackage, InviteRecord } from './admission.ts'
import type { Roster } from './roster.ts'

/** Members a newcomer is told of; the journal names the rest. */
const ACQUAINTANCES_MAX = 32

/** Invites and admissions as records: the commit's own turn is what makes "once" true. */
export class JournalAdmissions implements AdmissionLedger, Startable {
  readonly #journal: Journal
  readonly #roster: Roster
  readonly #clock: Clock
  readonly #cluster: Pick<AdmissionPackage, 'clusterId' | 'clusterName' | 'genesis' | 'networkKey'>
  /** Of this node alone, kept by the journal's changes. */
  readonly #invites = new Map<string, InviteRow>()
  #unfollow = () => {}

  constructor(
    parts: { journal: Journal; roster: Roster; clock: Clock },
    cluster: Pick<AdmissionPackage, 'clusterId' | 'clusterName' | 'genesis' | 'networkKey'>,
  ) {
    this.#journal = parts.journal
    this.#roster = parts.roster
    this.#clock = parts.clock
    this.#cluster = cluster
  }

  async start(): Promise<void> {
    this.#unfollow = this.#journal.onChange((changes) => {
      for (const { table, row } of changes) if (table === 'invites' && row) this.#keep(row as InviteRow)
    })
    for await (const { row } of this.#journal.tables.list('invites')) this.#keep(row)
  }

  async stop(): Promise<void> {
    this.#unfollow()
  }

  /** Puts on record that an invite exists; until then nobody is admitted by it. */
  async record({ id, verifier, expiresAt }: InviteRecord): Promise<void> {
    const body = { invite: id, verifier, expiresAt }
    await this.#journal.commit(AUTHORITY, () => [op('invite.created', body, 'node')])
  }

  openInvites(): InviteRecord[] {
    return [...this.#invites.values()]
  }

  async admit(inviteId: string, node: NodeId, facts: NodeFacts): Promise<AdmissionPackage> {
    await this.#journal.commit(AUTHORITY, (tables) => {
      if (this.#isAdmitted(tables, inviteId, node)) return []
      const own = { ...facts, addresses: [...facts.addresses], swarm: [...facts.swarm] }
      return [op('node.admitted', { node, facts: own, invite: inviteId }, 'node')]
    })
    const members = this.#roster
      .members()
      .filter(({ id, state }) => state === 'member' && id !== node)
      // The inviter first: it is the one that surely knows the newcomer already.
      .sort((a, b) => Number(b.id === this.#journal.node) - Number(a.id === this.#journal.node))
      .slice(0, ACQUAINTANCES_MAX)
      .map(({ id, name, site, addresses, swarm, url }) => ({ id, name, site, addresses, swarm, url }))
    return { ...this.#cluster, members }
  }

  /** @throws Fault why it may not be admitted */
  #isAdmitted(tables: Pick<Tables, 'get'>, inviteId: string, node: NodeId): boolean {
    const invite = tables.get('invites', inviteId)
    if (!invite) throw new Fault('INVITE_UNKNOWN', 'the cluster knows no such invite')
    const known = tables.get('nodes', node)
    if (known?.state === 'evicted') throw new Fault('NODE_EVICTED', 'this node was evicted')
    if (known?.state === 'left')
      throw new Fault('NODE_LEFT', 'this node has left; join with a new data directory')
    if (invite.redeemedBy === node) return true
    if (invite.redeemedBy !== null) {
      throw new Fault('INVITE_USED', 'the invite has been used by another node; ask for a new one')
    }
    if (invite.expiresAt <= this.#clock.now()) {
      throw new Fault('INVITE_EXPIRED', 'the invite has expired; ask for a new one')
    }
    return false
  }

  #keep(row: InviteRow): void {
    if (row.issuer !== this.#journal.node) return
    if (row.redeemedBy === null) this.#invites.set(row.id, row)
    else this.#invites.delete(row.id)
  }
}
