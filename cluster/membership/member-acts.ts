import { Fault, isFault } from '../../src/errors.ts'
import { bodyOf } from '../../src/journal/authority/bodies.ts'
import type { Journal, Tables } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY, type FeedId, type Frontier } from '../../src/journal/op.ts'
import type { NodeRow } from '../../src/journal/rows.ts'
import type { Eviction, OnBehalf } from '../../src/registry/topology.ts'
import type { NodeId } from '../network/network.ts'
import type { KeyRotation } from './key-rotation.ts'
import { logsOf } from './review.ts'

/** What is done to members, each as one commit with its conditions asked in that commit's turn. */
export class MemberActs {
  readonly #journal: Journal
  readonly #rotation: Pick<KeyRotation, 'prepare'>

  constructor(parts: { journal: Journal; rotation: Pick<KeyRotation, 'prepare'> }) {
    this.#journal = parts.journal
    this.#rotation = parts.rotation
  }

  /** By id, or by a name that only one node of those states has. @throws Fault NODE_UNKNOWN, NODE_AMBIGUOUS */
  async find(node: string, states: readonly NodeRow['state'][]): Promise<NodeRow> {
    const found: NodeRow[] = []
    for await (const { row } of this.#journal.tables.list('nodes')) {
      if (row.id === node) return row
      if (row.name === node && states.includes(row.state)) found.push(row)
    }
    if (found.length > 1)
      throw new Fault('NODE_AMBIGUOUS', `several nodes are called ${node}: name the id`, { node })
    if (!found[0]) throw new Fault('NODE_UNKNOWN', `no node of this cluster is called ${node}`, { node })
    return found[0]
  }

  async approve(node: string, by: OnBehalf): Promise<void> {
    const { id, name } = await this.find(node, ['pending'])
    const inviter = await this.#inviterOf(id)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const state = tables.get('nodes', id)?.state
      if (state !== 'pending')
        throw new Fault('NODE_NOT_PENDING', `${name} does not wait for an approval (${state ?? 'unknown'})`)
      if (by.actor === inviter)
        throw new Fault(
          'SECOND_CONSENT_OWN',
          'a second consent is somebody else’s than the inviter’s: another administrator must approve',
        )
      return [op('node.approved', { node: id }, by.actor)]
    })
  }

  async evict(node: string, { compromised, acceptUntil, reason }: Eviction, by: OnBehalf): Promise<void> {
    const { id } = await this.#evictable(node, compromised)
    if (id === this.#journal.node)
      throw new Fault('NODE_IS_SELF', 'a node does not evict itself: use leave', { node })
    const fresh = this.#rotation.prepare(id)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const { state, name } = tables.get('nodes', id) as NodeRow
      if (state === 'evicted') {
        const frontier = compromised ? this.#deeper(tables, id, acceptUntil) : null
        if (frontier) return [op('node.evicted', { node: id, compromised, frontier, reason }, by.actor)]
        const words = compromised
          ? 'nothing more of it would be taken back: of what was accepted before, less can be, never more'
          : 'to take back what it pushed as well, evict it as compromised'
        throw new Fault('CONFLICT', `${name} is evicted already; ${words}`, { node: id })
      }
      // What a compromised node's logs amounted to is said outright: what reaches others later is not in it.
      const until = acceptUntil ?? (compromised ? 'now' : null)
      const frontier = until === null ? null : this.#accepted(id, until)
      const evicted = op('node.evicted', { node: id, compromised, frontier, reason }, by.actor)
      // Together, so that there is no moment at which it is out and its key still the cluster's only one.
      return [evicted, fresh.record(tables, by.actor)]
    })
  }

  /** Whoever is in; and, where what it pushed is taken back, who has gone. */
  async #evictable(node: string, compromised: boolean): Promise<NodeRow> {
    try {
      return await this.find(node, ['member', 'pending'])
    } catch (error) {
      if (!compromised || !isFault(error, 'NODE_UNKNOWN')) throw error
      return this.find(node, ['left', 'evicted'])
    }
  }

  /** What counts of a node that is out already once less is accepted of it; undefined where that is no less. */
  #deeper(
    tables: Pick<Tables, 'get'>,
    node: NodeId,
    acceptUntil: Eviction['acceptUntil'],
  ): Frontier | undefined {
    const wanted = this.#accepted(node, acceptUntil ?? 'now')
    const said = (tables.get('history', `node:${node}`) ?? []).flatMap((one) => {
      const body = one.refused === null ? bodyOf(one, 'node.evicted') : undefined
      return body?.compromised && body.frontier ? [body.frontier] : []
    })
    if (said.length === 0) return wanted
    const logs = logsOf(node, this.#journal.frontier())
    const before = new Map(
      logs.map(([feed, seq]) => [feed, said.reduce((least, one) => Math.min(least, one[feed] ?? 0), seq)]),
    )
    if (logs.every(([feed]) => (wanted[feed] ?? 0) >= (before.get(feed) ?? 0))) return undefined
    const least = Object.entries(wanted).map(
      ([feed, seq]) => [feed, Math.min(seq, before.get(feed) ?? 0)] as const,
    )
    return Object.fromEntries(least.filter(([, seq]) => seq > 0))
  }

  async leave(by: OnBehalf): Promise<void> {
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      return [op('node.left', {}, 'node')]
    })
  }

  #accepted(node: NodeId, until: number | 'now' | Frontier): Frontier {
    const logs = logsOf(node, this.#journal.frontier())
    const most = (feed: FeedId) =>
      typeof until === 'number' ? until : until === 'now' ? Number.POSITIVE_INFINITY : (until[feed] ?? 0)
    const accepted = logs.map(([feed, seq]) => [feed, Math.min(seq, most(feed))] as const)
    return Object.fromEntries(accepted.filter(([, seq]) => seq > 0))
  }

  /** On whose behalf it was invited. */
  async #inviterOf(node: NodeId): Promise<string | undefined> {
    for await (const { row } of this.#journal.tables.list('invites'))
      if (row.redeemedBy === node) return row.actor
    return undefined
  }
}
