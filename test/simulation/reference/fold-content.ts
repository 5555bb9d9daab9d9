import { byDepthThenId, hasSeen, parseFeedId } from '../../../src/journal/op.ts'
import {
  type ImmutabilityRule,
  inRepository,
  type ManifestFacts,
  type TagOp,
} from '../../../src/journal/rows.ts'
import { type Formed, is } from './formed.ts'
import { countedTagOps } from './immutable-tags.ts'
import { erasure, register, write } from './registers.ts'
import type { ReferenceTables } from './tables.ts'
import { listIn } from './world.ts'

type TagChange = Formed<'tag.moved' | 'tag.deleted'>

function repositoryOf({ body }: { body: { projectId: string; path: string } }): string {
  return `${body.projectId}/${body.path}`
}

/** @param ops of the catalog, verdict and trail lanes, those that count but for rules on tags */
export function foldContent(ops: readonly Formed[], tables: ReferenceTables): void {
  const links = new Map<string, Formed<'blob.linked' | 'blob.unlinked'>[]>()
  const manifests = new Map<string, Formed<'manifest.put' | 'manifest.deleted'>[]>()
  const tags = new Map<string, TagChange[]>()
  const verdicts = new Map<string, Formed<'verdict.recorded'>[]>()
  const pushes = new Map<string, Formed[]>()
  for (const op of ops) {
    if (is(op, 'blob.linked', 'blob.unlinked')) {
      listIn(links, inRepository(repositoryOf(op), op.body.digest), op)
    }
    if (is(op, 'manifest.put', 'manifest.deleted')) {
      listIn(manifests, inRepository(repositoryOf(op), op.body.digest), op)
      if (op.kind === 'manifest.put') listIn(pushes, repositoryOf(op), op)
    }
    if (is(op, 'tag.moved', 'tag.deleted')) listIn(tags, inRepository(repositoryOf(op), op.body.tag), op)
    if (is(op, 'verdict.recorded')) {
      const { digest, scanner, database } = op.body
      listIn(verdicts, `${digest}\u0000${scanner}\u0000${database}`, op)
    }
    foldTrail(op, tables)
  }
  const alive = { manifests: new Map<string, number>(), tags: new Map<string, number>() }
  const count = (what: keyof typeof alive, key: string) =>
    alive[what].set(key, (alive[what].get(key) ?? 0) + 1)

  for (const [key, about] of links) putLink(key, about, tables)
  for (const [key, about] of manifests) {
    const repository = repositoryOf(about[0] as Formed<'manifest.put'>)
    if (putManifest(key, repository, about, tables)) count('manifests', repository)
  }
  for (const [key, about] of tags) {
    // A removal that found nothing leaves no trace.
    const all = about.filter(
      (op) =>
        op.kind === 'tag.moved' || about.some((one) => one.kind === 'tag.moved' && hasSeen(op, one.dot)),
    )
    if (all.length === 0) continue
    const repository = repositoryOf(all[0] as Formed<'tag.moved'>)
    // Also one that a rule kept from counting was a push.
    for (const op of all) if (op.kind === 'tag.moved') listIn(pushes, repository, op)
    if (putTag(key, repository, all, tables)) count('tags', repository)
  }
  for (const [key, about] of verdicts) putVerdict(key, about, tables)
  for (const [key, about] of pushes) {
    const first = about.sort(byDepthThenId)[0] as Formed
    const { id, depth, time, actor } = first
    tables.put('repositories', key, {
      key,
      created: { id, depth, time, actor },
      updatedAt: about.reduce((latest, op) => Math.max(latest, op.time), 0),
      manifests: alive.manifests.get(key) ?? 0,
      tags: alive.tags.get(key) ?? 0,
    })
  }
}

function putLink(
  key: string,
  about: readonly Formed<'blob.linked' | 'blob.unlinked'>[],
  tables: ReferenceTables,
): void {
  const links = register<number>(
    about.map((op) => (is(op, 'blob.linked') ? write(op, op.body.size) : erasure(op))),
  )
  const winner = about.find((op) => op.id === links[0]?.id)
  if (!winner) return
  tables.put('links', key, { size: links[0]?.value ?? 0, links })
  const repositoryKey = repositoryOf(winner)
  tables.put('holders', inRepository(winner.body.digest, repositoryKey), { repositoryKey })
}

function putManifest(
  key: string,
  repository: string,
  about: readonly Formed<'manifest.put' | 'manifest.deleted'>[],
  tables: ReferenceTables,
): boolean {
  const digest = (about[0] as Formed<'manifest.put'>).body.digest
  const puts = register<ManifestFacts>(
    about.map((op) => {
      if (!is(op, 'manifest.put')) return erasure(op)
      const { projectId: _project, path: _path, digest: _digest, ...facts } = op.body
      return write(op, facts)
    }),
  )
  const facts = puts[0]?.value
  if (!facts) return false
  tables.put('manifests', key, { digest, puts })
  if (facts.subject)
    tables.put('referrers', inRepository(repository, facts.subject, digest), { ...facts, digest })
  return true
}

function putTag(
  key: string,
  repository: string,
  all: readonly TagChange[],
  tables: ReferenceTables,
): boolean {
  const { tag, projectId } = (all[0] as Formed<'tag.moved'>).body
  const about = countedTagOps(all, tables)
  const values = register<string>(
    about.map((op) => (is(op, 'tag.moved') ? write(op, op.body.digest) : erasure(op))),
  )
  const rules = tables.get('projects', projectId)?.immutability ?? []
  if (rules.length > 0) tables.put('tags', key, { tag, values, ops: historyOf(all, rules) })
  else if (values.length > 0) tables.put('tags', key, { tag, values })
  for (const { value } of values) tables.put('tagged', inRepository(repository, value, tag), { tag })
  return values.length > 0
}

function historyOf(all: readonly TagChange[], rules: readonly ImmutabilityRule[]): TagOp[] {
  const inOrder = [...all].sort(byDepthThenId)
  return inOrder.map((op) => {
    const { id, dot, depth, actor, time, author } = op
    const value = is(op, 'tag.moved') ? op.body.digest : null
    const saw = inOrder.filter((other) => hasSeen(op, other.dot)).map((other) => other.id)
    const sawRules = rules.filter((rule) => hasSeen(op, rule.dot)).map((rule) => rule.id)
    return { id, dot, depth, actor, time, value, author, saw, sawRules }
  })
}

function putVerdict(
  key: string,
  about: readonly Formed<'verdict.recorded'>[],
  tables: ReferenceTables,
): void {
  const { digest, scanner, database } = (about[0] as Formed<'verdict.recorded'>).body
  // Grow-only: no finding takes another's place.
  const found = about
    .flatMap((op) => {
      const { severity, counts, report } = op.body
      return register([write(op, { severity, counts, report })])
    })
    .sort((a, b) => byDepthThenId(b, a))
  tables.put('verdicts', key, { digest, scanner, database, found })
}

function foldTrail(op: Formed, tables: ReferenceTables): void {
  const month = parseFeedId(op.dot.feed).lane.split('/')[2] as string
  if (is(op, 'event.recorded')) {
    const { time, actor, author, body } = op
    const key = `${month}\u0000${String(time).padStart(16, '0')}\u0000${op.id}`
    tables.put('events', key, { time, actor, author, ...body })
  }
  if (is(op, 'pulls.counted')) {
    const key = inRepository(month, repositoryOf(op), op.body.digest, op.author)
    const total = Math.max(tables.get('pulls', key)?.total ?? 0, op.body.total)
    tables.put('pulls', key, { total })
  }
  if (is(op, 'link.counted')) {
    const { link, sent, received } = op.body
    const key = inRepository(month, link, op.author)
    const known = tables.get('linkUse', key)
    tables.put('linkUse', key, {
      sent: Math.max(known?.sent ?? 0, sent),
      received: Math.max(known?.received ?? 0, received),
    })
  }
}
