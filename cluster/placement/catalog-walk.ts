import type { TableChange, Tables } from '../../src/journal/journal.ts'
import { parseFeedId } from '../../src/journal/op.ts'
import type { LinkRow, ManifestRow, Sibling } from '../../src/journal/rows.ts'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import type { Stored } from './plan.ts'

/** What the catalog says of a blob in a repository, manifests included. */
export interface Entry extends Stored {
  readonly size: number
}

/** Everything a project's repositories have. A blob that several of them have comes once for each. */
export async function* entriesOf(tables: Tables, project: string): AsyncIterable<Entry> {
  const prefix = `${project}/`
  for await (const { key, row } of tables.list('links', { prefix })) yield ofLink(key, row)
  for await (const { key, row } of tables.list('manifests', { prefix })) yield ofManifest(key, row)
}

/** The entry a row stands for as it became; undefined for other tables, and where it went. */
export function entryOf({ table, key, row }: TableChange): Entry | undefined {
  if (!row) return undefined
  if (table === 'links') return ofLink(key, row as LinkRow)
  return table === 'manifests' ? ofManifest(key, row as ManifestRow) : undefined
}

export function projectOf(repositoryKey: string): string {
  return repositoryKey.slice(0, repositoryKey.indexOf('/'))
}

function ofLink(key: string, { size, links }: LinkRow): Entry {
  return { ...placeOf(key), size, homes: authorsOf(links) }
}

function ofManifest(key: string, { puts }: ManifestRow): Entry {
  return { ...placeOf(key), size: puts[0]?.value.size ?? 0, homes: authorsOf(puts) }
}

function placeOf(key: string): { repository: string; digest: Digest } {
  const [repository = '', digest = ''] = key.split('\u0000')
  return { repository, digest: parseDigest(digest) }
}

function authorsOf(siblings: readonly Sibling<unknown>[]): string[] {
  return siblings.map(({ dot }) => parseFeedId(dot.feed).author)
}
