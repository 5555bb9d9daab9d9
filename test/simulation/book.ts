import type { ReplicatedJournal } from '../../cluster/ledger/replicated-journal.ts'
import type { Acknowledged } from './checkers/acknowledged.ts'
import { type Held, Rights } from './checkers/rights.ts'
import { Past } from './past.ts'

/** What the oracle knows of one node, whatever that node has forgotten. */
export interface Book {
  past: Past
  rights: Rights
  readonly acknowledged: Acknowledged[]
  /** The snapshot op whose rows stand for the lane's beginning there. */
  base: string | null | undefined
  /** A snapshot took the lane's place, or broke off: entries it had are applied to it again. */
  rebuilt: boolean
  /** A snapshot began to take the lane's place: where that breaks off the lane is empty until it is fetched again. */
  installing: boolean
}

export function emptyBook(): Book {
  return {
    past: new Past(),
    rights: new Rights(),
    acknowledged: [],
    base: undefined,
    rebuilt: false,
    installing: false,
  }
}

/** The tables, and which entries they are made of. */
export function held(journal: ReplicatedJournal): Held {
  const frontier = journal.frontier()
  return {
    get: (table, key) => journal.tables.get(table, key),
    has: ({ feed, seq }) => (frontier[feed] ?? 0) >= seq,
  }
}
