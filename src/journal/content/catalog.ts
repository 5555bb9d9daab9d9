import { byDepthThenId, type Op } from '../op.ts'
import { assign, erase, winner } from '../register.ts'
import {
  inRepository,
  type LinkRow,
  type ManifestRow,
  type RepositoryRow,
  type TagOp,
  type TagRow,
} from '../rows.ts'
import type { Draft } from '../table-store.ts'
import type { Rules } from './content.ts'
import { isDisputed } from './disputes.ts'
import { settleRetracted } from './retracted-tags.ts'
import { withTagOp } from './tags.ts'

interface Place {
  readonly projectId: string
  readonly path: string
}

function repositoryKey({ projectId, path }: Place): string {
  return `${projectId}/${path}`
}

function holderKey(body: Place & { readonly digest: string }): string {
  return inRepository(body.digest, repositoryKey(body))
}

/** What is in the repositories. Content is add-wins: a removal takes what it had seen, never what came meanwhile. */
export const catalogRules: Rules<
  'blob.linked' | 'blob.unlinked' | 'manifest.put' | 'manifest.deleted' | 'tag.moved' | 'tag.deleted'
> = {
  'blob.linked'(draft, op, body) {
    const key = inRepository(repositoryKey(body), body.digest)
    const row = draft.get('links', key)
    putLinks(draft, key, assign(row?.links ?? [], op, body.size))
    draft.put('holders', holderKey(body), { repositoryKey: repositoryKey(body) })
    return
  },

  'blob.unlinked'(draft, op, body) {
    const key = inRepository(repositoryKey(body), body.digest)
    const row = draft.get('links', key)
    if (!row) return undefined
    const links = erase(row.links, op)
    if (links.length > 0) putLinks(draft, key, links)
    else {
      draft.delete('links', key)
      draft.delete('holders', holderKey(body))
    }
    return
  },

  'manifest.put'(draft, op, { projectId, path, digest, ...facts }) {
    const key = repositoryKey({ projectId, path })
    const row = draft.get('manifests', inRepository(key, digest))
    writeManifest(draft, op, key, row, { digest, puts: assign(row?.puts ?? [], op, facts) })
    return
  },

  'manifest.deleted'(draft, op, body) {
    const key = repositoryKey(body)
    const row = draft.get('manifests', inRepository(key, body.digest))
    if (row) writeManifest(draft, op, key, row, { ...row, puts: erase(row.puts, op) })
    return
  },

  'tag.moved'(draft, op, body) {
    const key = repositoryKey(body)
    return changeTag(draft, op, key, body)
  },

  'tag.deleted'(draft, op, body) {
    const key = repositoryKey(body)
    return changeTag(draft, op, key, { ...body, digest: null })
  },
}

function putLinks(draft: Draft, key: string, links: LinkRow['links']): void {
  draft.put('links', key, { size: winner(links) ?? 0, links })
}

function changeTag(
  draft: Draft,
  op: Op,
  key: string,
  body: Place & { readonly tag: string; readonly digest: string | null },
): void {
  const at = inRepository(key, body.tag)
  settleRetracted(draft, at, op)
  const before = draft.get('tags', at)
  const { row, refused, counting } = withTagOp(draft, before, op, body)
  for (const id of counting) forgive(draft, id)
  for (const id of refused) {
    const one = row?.ops?.find((other) => other.id === id)
    if (one) listImmutable(draft, one)
  }
  if (row && row !== before) writeTag(draft, op, key, before, row)
}

const listKey = (id: string) => `catalog/${id}`

function forgive(draft: Draft, id: string): void {
  if (draft.get('ineffective', listKey(id))) draft.delete('ineffective', listKey(id))
}

function listImmutable(draft: Draft, { id, value, actor, author, time }: TagOp): void {
  const kind = value === null ? 'tag.deleted' : 'tag.moved'
  const why = { outcome: 'refused', reason: 'immutable', entity: null, beatenBy: null } as const
  draft.put('ineffective', listKey(id), { kind, actor, author, time, ...why })
}

function writeManifest(
  draft: Draft,
  op: Op,
  key: string,
  before: ManifestRow | undefined,
  after: ManifestRow,
): void {
  const at = inRepository(key, after.digest)
  const facts = winner(after.puts)
  const was = before && winner(before.puts)
  if (was?.subject) draft.delete('referrers', inRepository(key, was.subject, after.digest))
  if (facts) {
    draft.put('manifests', at, after)
    if (facts.subject) {
      draft.put('referrers', inRepository(key, facts.subject, after.digest), {
        ...facts,
        digest: after.digest,
      })
    }
  } else draft.delete('manifests', at)
  touch(draft, op, key, { manifests: Number(facts !== undefined) - Number(was !== undefined) })
}

function writeTag(draft: Draft, op: Op, key: string, before: TagRow | undefined, after: TagRow): void {
  const at = inRepository(key, after.tag)
  for (const one of before?.values ?? []) draft.delete('tagged', inRepository(key, one.value, after.tag))
  for (const one of after.values)
    draft.put('tagged', inRepository(key, one.value, after.tag), { tag: after.tag })
  if (after.values.length > 0 || after.ops) draft.put('tags', at, after)
  else draft.delete('tags', at)
  if (isDisputed(draft, after)) draft.put('disputes', at, { tag: after.tag })
  else if (draft.get('disputes', at)) draft.delete('disputes', at)
  touch(draft, op, key, { tags: Number(after.values.length > 0) - Number((before?.values.length ?? 0) > 0) })
}

/**
 * Keeps the repository's row: its first push, its last one, how much lives in it. Removals only count down:
 * one that finds nothing leaves no trace here, so it may leave none where it came later either.
 */
function touch(draft: Draft, op: Op, key: string, change: { manifests?: number; tags?: number }): void {
  const row = draft.get('repositories', key)
  const pushed = op.kind === 'manifest.put' || op.kind === 'tag.moved'
  if (!row && !pushed) return
  const origin = { id: op.id, depth: op.depth, time: op.time, actor: op.actor }
  const first = !row || (pushed && byDepthThenId(origin, row.created) < 0)
  const next: RepositoryRow = {
    key,
    created: first ? origin : row.created,
    updatedAt: Math.max(row?.updatedAt ?? 0, pushed ? op.time : 0),
    manifests: (row?.manifests ?? 0) + (change.manifests ?? 0),
    tags: (row?.tags ?? 0) + (change.tags ?? 0),
  }
  draft.put('repositories', key, next)
}
