import { Fault } from '../errors.ts'
import type { Tables } from '../journal/journal.ts'
import { placementOf } from '../journal/placement-policy.ts'
import type { Digest } from '../oci/digest.ts'

/** Has pushes held by as many sites as their project asks for. A cluster fulfils it; `durableAlone` has no other site. */
export interface Durability {
  /**
   * One push into a repository; what it waits for is counted from now on.
   * @param repository `<project id>/<path>`
   */
  begin(repository: string): PushDurability
}

/** Each waits for enough sites, at most as long as the project says, and tells where there are too few. */
export interface PushDurability {
  /** For sites to hold what a manifest refers to. */
  bytes(digests: readonly Digest[]): Promise<Shortfall | undefined>
  /** For them to hold the manifest, and every record this node has written up to now. */
  records(digests: readonly Digest[]): Promise<Shortfall | undefined>
}

export interface Shortfall {
  /** That hold it. */
  readonly sites: number
  readonly wanted: number
  readonly waitMs: number
}

/** What a client is told of a push that stands, and is to spread yet. */
export function warningOf({ sites, wanted, waitMs }: Shortfall): string {
  return `stored at ${sites} of ${wanted} sites after ${waitMs / 1000} s; the rest follows as sites are reached`
}

/** What it is told where the project would rather have a push refused. @param recorded it stands at this node all the same */
export function durabilityUnmet({ sites, wanted, waitMs }: Shortfall, recorded: boolean): Fault {
  const outcome = recorded
    ? 'it is recorded at this node and spreads from here'
    : 'nothing of it was recorded'
  return new Fault(
    'DURABILITY_UNMET',
    `the project asks for ${wanted} sites to hold a push, and after ${waitMs / 1000} s ${sites} did: ${outcome}; ` +
      'push again when more sites are connected (flotilla status shows them)',
    { sites, wanted, recorded },
  )
}

/** Of a node that is its cluster's only one. */
export function durableAlone(tables: Pick<Tables, 'get'>): Durability {
  return {
    begin(repository) {
      const project = tables.get('projects', repository.slice(0, repository.indexOf('/')))
      const wanted = project ? placementOf(project).durability.sites : 1
      const found = async () => (wanted > 1 ? { sites: 1, wanted, waitMs: 0 } : undefined)
      return { bytes: found, records: found }
    },
  }
}
