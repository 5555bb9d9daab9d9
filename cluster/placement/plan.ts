import { createHash } from 'node:crypto'
import type { Digest } from '../../src/oci/digest.ts'
import type { NodeId } from '../network/network.ts'
import type { Berth } from './berths.ts'

/** A blob or manifest of a repository, as the records have it. */
export interface Stored {
  readonly digest: Digest
  /** `<project id>/<path>` */
  readonly repository: string
  /** Nodes it was pushed at. */
  readonly homes: readonly NodeId[]
}

/**
 * Which nodes keep a copy. Every node comes to the same without a word, from the members and the records: the site it
 * was pushed at comes first, for it is there already, then others in an order each repository has for itself, so that
 * of two copies or more one site has the repository whole; in each site one node.
 * @param copies sites; infinite: all
 */
export function planCopies(stored: Stored, copies: number, berths: readonly Berth[]): Berth[] {
  if (copies === 0) return []
  return sitesInOrder(stored, berths)
    .slice(0, copies)
    .flatMap((nodes) => oneOf(stored, nodes))
}

/** The nodes of each site, the site that is to have a copy first of all at the head. */
export function sitesInOrder(
  { repository, homes }: Omit<Stored, 'digest'>,
  berths: readonly Berth[],
): (readonly Berth[])[] {
  const sites = Map.groupBy(berths, ({ site }) => site)
  const isHome = (nodes: readonly Berth[]) => nodes.some(({ id }) => homes.includes(id))
  return byWeight([...sites], ([site, nodes]) => weightOf(repository, site, isHome(nodes))).map(
    ([, nodes]) => nodes,
  )
}

/** Of the nodes of a site the one that keeps the copy. */
export function oneOf({ digest, homes }: Omit<Stored, 'repository'>, nodes: readonly Berth[]): Berth[] {
  return byWeight(nodes, ({ id }) => weightOf(digest, id, homes.includes(id))).slice(0, 1)
}

function byWeight<T>(all: readonly T[], weight: (one: T) => string): T[] {
  return all
    .map((one) => ({ one, weight: weight(one) }))
    .sort((a, b) => (a.weight < b.weight ? -1 : 1))
    .map(({ one }) => one)
}

/** Rendezvous hashing (Thaler and Ravishankar, 1998): who goes or comes changes only what it was first for. */
function weightOf(what: string, name: string, isFirst: boolean): string {
  return `${isFirst ? 0 : 1}${createHash('sha256').update(`${what}/${name}`).digest('hex')}`
}
