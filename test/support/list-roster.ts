import type { Member, Roster } from '../../cluster/membership/roster.ts'
import type { NodeId } from '../../cluster/network/network.ts'

/** A roster a test writes by hand; in the product the journal's tables stand behind it. */
export class ListRoster implements Roster {
  readonly #members = new Map<NodeId, Member>()
  readonly #listeners = new Set<() => void>()

  put(id: NodeId, facts: Partial<Member> = {}): void {
    const known = this.#members.get(id)
    const fresh = {
      id,
      name: id,
      site: 'here',
      state: 'member',
      role: 'anchor',
      notAfter: null,
      sealKey: null,
      admittedBy: null,
      addresses: [],
      swarm: [],
      url: null,
    } as const
    this.#members.set(id, { ...(known ?? fresh), ...facts })
    for (const listener of this.#listeners) listener()
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
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
