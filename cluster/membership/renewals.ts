import type { Journal } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { ONE_OF_MANY_MS, RENEWAL_CHECK_MS, RENEWAL_SHARE } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import { DAY_MS } from './admission-ledger.ts'
import type { Roster } from './roster.ts'

export interface RenewalParts {
  readonly journal: Pick<Journal, 'node' | 'tables' | 'commit'>
  readonly roster: Roster
  readonly network: { connected(): NodeId[] }
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

/**
 * Prolongs the memberships of those who are here: an anchor that is connected to a member in the last third
 * of its term writes another whole term. Who is not seen by any anchor for that long must be invited anew.
 */
export class Renewals implements Startable {
  readonly #parts: RenewalParts
  #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(parts: RenewalParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { timers, random, log } = this.#parts
    while (!signal.aborted) {
      try {
        await this.#round(signal)
      } catch (error) {
        if (!signal.aborted) log.warn({ error }, 'memberships could not be renewed')
      }
      await timers.sleep(RENEWAL_CHECK_MS / 2 + random.integer(RENEWAL_CHECK_MS), signal).catch(() => {})
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { roster, journal, network, random, timers, log } = this.#parts
    const self = roster.get(journal.node)
    if (self?.role !== 'anchor' || !roster.isMember(self.id)) return
    const here = new Set([...network.connected(), journal.node])
    const candidates = roster.members().filter(({ id, notAfter }) => notAfter !== null && here.has(id))
    if (candidates.length === 0) return
    const terms = await this.#terms()
    const isDue = (id: NodeId) => {
      const notAfter = roster.get(id)?.notAfter
      const term = terms.get(id)
      return (
        term !== undefined &&
        roster.isMember(id) &&
        typeof notAfter === 'number' &&
        this.#isDue(notAfter, term)
      )
    }
    if (!candidates.some(({ id }) => isDue(id))) return
    // Other anchors see the same; what one of them has written by then need not be written again.
    await timers.sleep(random.integer(ONE_OF_MANY_MS), signal)
    const due = candidates.filter(({ id }) => isDue(id)).map(({ id }) => id)
    if (due.length === 0) return
    const now = this.#parts.clock.now()
    await journal.commit(AUTHORITY, (tables) =>
      due.flatMap((node) => {
        const row = tables.get('nodes', node)
        const term = terms.get(node) as number
        if (row?.state !== 'member' || row.notAfter === null || !this.#isDue(row.notAfter, term)) return []
        return [op('node.renewed', { node, notAfter: now + term }, 'node')]
      }),
    )
    log.info({ nodes: due }, 'memberships were renewed')
  }

  #isDue(notAfter: number, term: number): boolean {
    return notAfter - this.#parts.clock.now() < term * RENEWAL_SHARE
  }

  /** How long each node's membership was meant to last, by the invite it came with. */
  async #terms(): Promise<Map<NodeId, number>> {
    const terms = new Map<NodeId, number>()
    for await (const { row } of this.#parts.journal.tables.list('invites')) {
      if (row.redeemedBy === null || row.days === null) continue
      terms.set(row.redeemedBy, Math.max(row.days * DAY_MS, terms.get(row.redeemedBy) ?? 0))
    }
    return terms
  }
}
