import type { Journal } from '../../src/journal/journal.ts'
import type { NodeRow } from '../../src/journal/rows.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { TIMER_MS_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import type { Member, Roster } from './roster.ts'

/**
 * The roster as the `nodes` table has it: read once at start, then kept by the journal's changes. A term that
 * ends, by this node's clock, is a change like any other.
 */
export class TableRoster implements Roster, Startable {
  readonly #journal: Pick<Journal, 'tables' | 'onChange'>
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #members = new Map<NodeId, Member>()
  readonly #listeners = new Set<() => void>()
  #unfollow = () => {}
  #callOff = () => {}

  constructor(journal: Pick<Journal, 'tables' | 'onChange'>, time: { clock: Clock; timers: Timers }) {
    this.#journal = journal
    this.#clock = time.clock
    this.#timers = time.timers
  }

  async start(): Promise<void> {
    // Followed first: a row that changes while the table is read is not missed, only read twice.
    const changed = new Set<NodeId>()
    this.#unfollow = this.#journal.onChange((changes) => {
      const nodes = changes.filter(({ table }) => table === 'nodes')
      for (const { key, row } of nodes) {
        changed.add(key)
        if (row) this.#members.set(key, memberOf(row as NodeRow))
        else this.#members.delete(key)
      }
      if (nodes.length > 0) this.#tell()
    })
    for await (const { key, row } of this.#journal.tables.list('nodes')) {
      if (!changed.has(key)) this.#members.set(key, memberOf(row))
    }
    this.#tell()
  }

  async stop(): Promise<void> {
    this.#unfollow()
    this.#callOff()
  }

  get(node: NodeId): Member | undefined {
    return this.#members.get(node)
  }

  isMember(node: NodeId): boolean {
    const member = this.#members.get(node)
    return member !== undefined && belongs(member, this.#clock.now())
  }

  members(): Member[] {
    return [...this.#members.values()]
  }

  onChange(listener: () => void): () => void {
    const own = () => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  #tell(): void {
    this.#watchTerms()
    for (const listener of this.#listeners) listener()
  }

  /** Tells again when the next term ends. */
  #watchTerms(): void {
    this.#callOff()
    const now = this.#clock.now()
    const ends = this.members().flatMap(({ state, notAfter }) =>
      state === 'member' && notAfter !== null && notAfter > now ? notAfter : [],
    )
    if (ends.length === 0) return
    const waitMs = Math.min(TIMER_MS_MAX, Math.min(...ends) - now + 1)
    this.#callOff = this.#timers.after(waitMs, () => this.#tell())
  }
}

/** Whether it is let in at that time. */
export function belongs({ state, notAfter }: Pick<Member, 'state' | 'notAfter'>, now: number): boolean {
  return state === 'member' && (notAfter === null || notAfter > now)
}

function memberOf(row: NodeRow): Member {
  const { id, name, site, state, role, notAfter, addresses, swarm, url, sealKey, admittedBy } = row
  return { id, name, site, state, role, notAfter, addresses, swarm, url, sealKey, admittedBy }
}
