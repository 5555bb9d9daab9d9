import { NODE_ITSELF, type Principal } from '../../../src/access/principal.ts'
import type { Conflict } from '../../../src/conflicts/conflict.ts'
import type { Filters } from '../../../src/conflicts/conflicts.ts'
import { op } from '../../../src/journal/kinds.ts'
import { CATALOG } from '../../../src/journal/op.ts'
import { type Digest, parseDigest } from '../../../src/oci/digest.ts'
import { assemble, founded, type TestNode } from '../../support/node.ts'
import type { Sites } from '../../support/sites.ts'

export const RED = parseDigest(`sha256:${'a'.repeat(64)}`)
export const BLUE = parseDigest(`sha256:${'b'.repeat(64)}`)

/** Two sites of one cluster that know the same, until somebody writes. */
export async function twoSites(sites: Sites): Promise<{ east: TestNode; west: TestNode }> {
  const east = await founded(sites)
  const west = assemble(await sites.admit(east.site), sites)
  return { east, west }
}

/** Both learn all the other holds. */
export async function meet({ east, west }: { east: TestNode; west: TestNode }): Promise<void> {
  await east.site.learn(west.site)
  await west.site.learn(east.site)
}

export async function list(node: TestNode, filters: Filters = {}): Promise<Conflict[]> {
  return (await node.api.conflicts.list(filters, { offset: 0, limit: 100 })).items
}

/** The only one there is. */
export async function only(node: TestNode, filters: Filters = {}): Promise<Conflict> {
  const found = await list(node, filters)
  if (found.length !== 1) throw new Error(`one conflict was expected: ${JSON.stringify(found, null, 1)}`)
  return found[0] as Conflict
}

export function principalOf(node: TestNode, name: string): Principal & { id: string } {
  return { kind: 'user', id: node.accounts.byName(name)?.id as string }
}

/** As a push does, without the bytes. */
export async function push(node: TestNode, projectId: string, tag: string, digest: Digest): Promise<void> {
  const place = { projectId, path: 'web' }
  const facts = {
    mediaType: 'm',
    size: 1,
    artifactType: null,
    subject: null,
    annotations: {},
    references: [],
  }
  await node.site.commit(CATALOG, () => [
    op('manifest.put', { ...place, digest, ...facts }, NODE_ITSELF.actor),
    op('tag.moved', { ...place, tag, digest }, NODE_ITSELF.actor),
  ])
}
