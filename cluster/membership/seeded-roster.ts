import type { NodeId } from '../network/network.ts'
import type { Acquaintance } from './admission.ts'
import type { Member, Roster } from './roster.ts'

/**
 * The roster of a node that has just joined: until the tables name the node itself, the members its inviter
 * told it of stand in, so that it can fetch those tables at all. From then on the tables alone count.
 */
export class SeededRoster implements Roster {
  readonly #tables: Roster
  readonly #self: NodeId
  readonly #seeds: readonly Member[]

  constructor(tables: Roster, self: NodeId, seeds: readonly Acquaintance[]) {
    this.#tables = tables
    this.#self = self
    this.#seeds = seeds.map((seed) => ({ ...seed, ...TOLD }))
  }

  get(node: NodeId): Member | undefined {
    return this.#settled() ? this.#tables.get(node) : this.#seeds.find((seed) => seed.id === node)
  }

  isMember(node: NodeId): boolean {
    return this.#settled() ? this.#tables.isMember(node) : this.get(node) !== undefined
  }

  members(): Member[] {
    return this.#settled() ? this.#tables.members() : [...this.#seeds]
  }

  onChange(listener: () => void): () => void {
    return this.#tables.onChange(listener)
  }

  #settled(): boolean {
    return this.#tables.get(this.#self) !== undefined
  }
}

/** What the inviter's word of a member leaves open. */
const TOLD = { state: 'member', role: 'anchor', notAfter: null, sealKey: null, admittedBy: null } as const
