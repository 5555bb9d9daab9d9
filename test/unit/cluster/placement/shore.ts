import { createHash } from 'node:crypto'
import type { Records } from '../../../../cluster/placement/records.ts'
import { NODE_ITSELF } from '../../../../src/access/principal.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { type Digest, parseDigest } from '../../../../src/oci/digest.ts'
import type { TestNode } from '../../../support/node.ts'
import type { Site } from '../../../support/sites.ts'

/** A site's journal as placement reads it. */
export function recordsOf(site: Site): Records {
  return {
    node: site.node,
    tables: site.tables,
    onChange: (listener) => site.onChange(listener),
    frontier: () => site.frontier(),
    lanes: { onInstalled: () => () => {} },
  }
}

/** A node says where it stands. */
export async function standAt(site: Site, place: string): Promise<void> {
  const tokenKey = site.key.publicKey
  const facts = { name: place, site: place, url: null, tokenKey, sealKey: tokenKey, addresses: [], swarm: [] }
  await site.commit(AUTHORITY, () => [op('node.announced', { facts }, 'node')])
}

/** @returns the id of a project with these settings */
export async function project(
  node: TestNode,
  name: string,
  settings: Record<string, string>,
): Promise<string> {
  const owner = node.accounts.byName('admin')?.id as string
  return (await node.projects.create({ name, metadata: Object.entries(settings) }, owner, NODE_ITSELF)).id
}

export async function link(site: Site, projectId: string, digest: Digest, path = 'app'): Promise<void> {
  const body = { projectId, path, digest, size: 7 }
  await site.commit(CATALOG, () => [op('blob.linked', body, 'node')])
}

export async function unlink(site: Site, projectId: string, digest: Digest): Promise<void> {
  await site.commit(CATALOG, () => [op('blob.unlinked', { projectId, path: 'app', digest }, 'node')])
}

export async function putManifest(site: Site, projectId: string, digest: Digest): Promise<void> {
  const facts = {
    mediaType: 'm/t',
    size: 7,
    artifactType: null,
    subject: null,
    annotations: {},
    references: [],
  }
  await site.commit(CATALOG, () => [op('manifest.put', { projectId, path: 'app', digest, ...facts }, 'node')])
}

export function digest(text: string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(text).digest('hex')}`)
}
