import type { Journal } from '../../src/journal/journal.ts'
import type { NodeRow } from '../../src/journal/rows.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { NodeId } from '../network/network.ts'
import type { Member, Roster } from './roster.ts'

/** The roster as the `nodes` table has it: read once at start, then kept by the journal's changes. */
export class TableRoster implements Roster, Startable {
  readonly #journal: Pick<Journal, 'tables' | 'onChange'>
  readonly #members = new Map<NodeId, Member>()
  readonly #listeners = new Set<() => void>()
  #unfollow = () => {}

  constructor(journal: Pick<Journal, 'tables' | 'onChange'>) {
    this.#journal = journal
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
  }

  get(node: NodeId): Member | undefined {
    return this.#members.get(node)
  }

  isMember(node: NodeId): boolean {
    return this.#members.get(node)?.state === 'member'
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
    for (const listener of this.#listeners) listener()
  }
}

function memberOf({ id, name, site, state, addresses, swarm, url }: NodeRow): Member {
  return { id, name, site, state, addresses, swarm, url }
}
