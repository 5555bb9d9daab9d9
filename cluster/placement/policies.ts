import type { Tables } from '../../src/journal/journal.ts'
import { type PlacementPolicy, placementOf } from '../../src/journal/placement-policy.ts'
import { allowed, type Berth } from './berths.ts'
import { projectOf } from './catalog-walk.ts'
import { planCopies, type Stored } from './plan.ts'

/** What the projects ask for against the members there are, as of one moment: for one look at many blobs. */
export class Policies {
  readonly #tables: Pick<Tables, 'get'>
  readonly #berths: readonly Berth[]
  readonly #known = new Map<
    string,
    { readonly policy: PlacementPolicy; readonly berths: readonly Berth[] } | null
  >()

  constructor(tables: Pick<Tables, 'get'>, berths: readonly Berth[]) {
    this.#tables = tables
    this.#berths = berths
  }

  /** Of a project that is there. */
  of(project: string): PlacementPolicy | undefined {
    return this.#read(project)?.policy
  }

  /** The nodes that are to keep a copy. */
  keepers(stored: Stored): Berth[] {
    const found = this.#read(projectOf(stored.repository))
    return found ? planCopies(stored, found.policy.copies, found.berths) : []
  }

  #read(project: string) {
    let found = this.#known.get(project)
    if (found === undefined) {
      const row = this.#tables.get('projects', project)
      const policy = row && !row.deleted ? placementOf(row) : undefined
      found = policy ? { policy, berths: allowed(this.#berths, policy) } : null
      this.#known.set(project, found)
    }
    return found
  }
}
